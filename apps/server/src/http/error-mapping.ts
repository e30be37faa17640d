import { ERRORS, type ErrorCode, type ErrorReply, PictorError } from '@pictor/protocol';
import type { FastifyError, FastifyInstance } from 'fastify';
import type { z } from 'zod';

/** The one place where errors become replies. */
export function addErrorMapping(app: FastifyInstance): void {
  app.setErrorHandler(async (error: FastifyError | PictorError, request, reply) => {
    const refusal = error instanceof PictorError ? error : fromFastify(error);
    if (refusal.code === 'internal') request.log.error({ err: error, requestId: request.id }, 'request.failed');
    // What of the body was not read would be taken for the next request.
    if (!request.raw.complete) reply.header('connection', 'close');
    const body: z.infer<typeof ErrorReply> = {
      error: { code: refusal.code, message: refusal.message, details: refusal.details, requestId: request.id },
    };
    return reply.code(ERRORS[refusal.code].status).type('application/json; charset=utf-8').send(JSON.stringify(body));
  });
  app.setNotFoundHandler(async (request) => {
    const path = request.url.split('?')[0];
    throw new PictorError(
      'not-found',
      `There is no ${request.method} ${path}: see /v1/openapi.json for what there is.`,
    );
  });
}

function fromFastify(error: FastifyError): PictorError {
  const code = codeOf(error);
  const message =
    code === 'internal' ? 'Something went wrong in the server: its log has the request id.' : `${error.message}.`;
  return new PictorError(code, message, { cause: error });
}

function codeOf(error: FastifyError): ErrorCode {
  if (error.statusCode === 413) return 'too-large';
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) return 'validation';
  return 'internal';
}
