import { PictorError, ROUTES, type Route, type RouteHandlers, type RouteName } from '@pictor/protocol';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';

const MEBIBYTE = 1024 * 1024;
const BODY_BYTES = MEBIBYTE;
/** Where lists are long: a manifest of 200,000 files, 100,000 hashes. */
const LARGE_BODY_BYTES: Partial<Record<RouteName, number>> = {
  createSnapshot: 128 * MEBIBYTE,
  findMissingChunks: 8 * MEBIBYTE,
};

/** Adds one route of the protocol: access, schemas in and out, and size of the body are those of the contract. */
export function addRoute<Name extends RouteName>(app: FastifyInstance, name: Name, handler: RouteHandlers[Name]): void {
  const route: Route = ROUTES[name];
  app.route({
    method: route.method,
    url: route.path,
    config: { access: route.access },
    bodyLimit: LARGE_BODY_BYTES[name] ?? BODY_BYTES,
    handler: async (request, reply) => {
      const input = {
        ...(route.params && { params: check(route.params, request.params, 'path') }),
        ...(route.query && { query: check(route.query, request.query, 'query') }),
        ...(route.body && { body: check(route.body, request.body, 'body') }),
      };
      const result = await (handler as (input: unknown) => Promise<unknown>)(input);
      const checked = route.reply.safeParse(result);
      // Ours to answer for, not the caller's: an ordinary error, which becomes a dull 500.
      if (!checked.success) throw new Error(`reply of ${name} breaks its contract`, { cause: checked.error });
      return reply.type('application/json; charset=utf-8').send(JSON.stringify(checked.data));
    },
  });
}

/** Checks a part of a request. Throws `validation` with the `issues`, each with the path to what is wrong. */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown, part: string): z.output<Schema> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issues = checked.error.issues
    .slice(0, 20)
    .map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
  const sentence = issues.map((issue) => (issue.path ? `${issue.path}: ${issue.message}` : issue.message)).join('; ');
  throw new PictorError('validation', `The ${part} of the request is wrong: ${sentence}.`, { details: { issues } });
}
