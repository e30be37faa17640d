import { ERRORS, ErrorReply, PICTOR_VERSION, ROUTES, type Route, type RouteName } from '@pictor/protocol';
import { z } from 'zod';

const jsonSchema = (schema: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
};

const json = (schema: z.ZodType, io: 'input' | 'output') => ({
  'application/json': { schema: jsonSchema(schema, io) },
});

/** OpenAPI 3.1, from the contracts of the protocol: nothing in it is written by hand but the streams, which carry no JSON. */
export function openApiDocument() {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [name, route] of Object.entries(ROUTES) as [RouteName, Route][]) {
    addOperation(paths, route.path, route.method, {
      operationId: name,
      summary: route.summary,
      security: route.access === 'public' ? [] : [{ operator: [] }],
      parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
      ...(route.body && { requestBody: { required: true, content: json(route.body, 'input') } }),
      responses: {
        200: { description: 'Done', content: json(route.reply, 'output') },
        default: { $ref: '#/components/responses/Error' },
      },
    });
  }
  for (const stream of STREAMS) addOperation(paths, stream.path, stream.method, stream.operation);
  return {
    openapi: '3.1.0',
    info: { title: 'Pictor', version: PICTOR_VERSION, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths,
    components: {
      securitySchemes: { operator: { type: 'http', scheme: 'bearer' } },
      responses: {
        Error: {
          description: `A refusal; \`code\` is one of: ${Object.keys(ERRORS).join(', ')}`,
          content: json(ErrorReply, 'output'),
        },
      },
    },
  };
}

function addOperation(
  paths: Record<string, Record<string, unknown>>,
  path: string,
  method: string,
  operation: unknown,
) {
  const template = path.replace(/:(\w+)/g, '{$1}');
  paths[template] = { ...paths[template], [method.toLowerCase()]: operation };
}

function parameters(schema: z.ZodType | undefined, place: 'path' | 'query'): unknown[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = jsonSchema(schema, 'input') as {
    properties?: Record<string, unknown>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }));
}

const binary = { 'application/octet-stream': {} };
const inPath = (name: string) => ({ name, in: 'path', required: true, schema: { type: 'string' } });
const inQuery = (name: string, required: boolean) => ({ name, in: 'query', required, schema: { type: 'string' } });
const refused = { default: { $ref: '#/components/responses/Error' } };
const operator = [{ operator: [] }];

const STREAMS = [
  {
    path: '/v1/chunks/:sha256',
    method: 'PUT',
    operation: {
      operationId: 'putChunk',
      summary: 'Upload a chunk of at most 16 MiB under its SHA-256',
      security: operator,
      parameters: [inPath('sha256')],
      requestBody: { required: true, content: binary },
      responses: { 204: { description: 'Stored' }, ...refused },
    },
  },
  {
    path: '/v1/agent/chunks/:sha256',
    method: 'PUT',
    operation: {
      operationId: 'putChunkAsAgent',
      summary: 'Upload a chunk of an output',
      security: [],
      parameters: [inPath('sha256'), inQuery('grant', true)],
      requestBody: { required: true, content: binary },
      responses: { 204: { description: 'Stored' }, ...refused },
    },
  },
  {
    path: '/v1/agent/chunks/:sha256',
    method: 'GET',
    operation: {
      operationId: 'getChunkAsAgent',
      summary: "Download a chunk of a lease's snapshot",
      security: [],
      parameters: [inPath('sha256'), inQuery('grant', true)],
      responses: { 200: { description: 'The bytes', content: binary }, ...refused },
    },
  },
  {
    path: '/v1/outputs/:outputId/content',
    method: 'GET',
    operation: {
      operationId: 'getOutputContent',
      summary: 'A file of a frame, whole or a range of it',
      security: operator,
      parameters: [inPath('outputId')],
      responses: {
        200: { description: 'The file', content: binary },
        206: { description: 'The range', content: binary },
        ...refused,
      },
    },
  },
  {
    path: '/v1/events',
    method: 'GET',
    operation: {
      operationId: 'events',
      summary: 'Events of a job, or of all, as server-sent events, resumed by Last-Event-ID',
      security: operator,
      parameters: [inQuery('job', false)],
      responses: { 200: { description: 'The stream', content: { 'text/event-stream': {} } }, ...refused },
    },
  },
];
