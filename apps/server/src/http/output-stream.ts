import path from 'node:path';
import { OutputParams, PictorError } from '@pictor/protocol';
import type { FastifyInstance } from 'fastify';
import { type ObjectStore, readContent } from '../assets/index.ts';
import { check } from './route.ts';

/** A file of a frame, as it is stored. */
export interface StoredOutput {
  path: string;
  sizeBytes: number;
  sha256: string;
  chunks: string[];
}

/** What a browser may show; everything else is handed over as a file. None of it can run script. */
const CONTENT_TYPES: Record<string, { type: string; isShown: boolean }> = {
  '.png': { type: 'image/png', isShown: true },
  '.jpg': { type: 'image/jpeg', isShown: true },
  '.webp': { type: 'image/webp', isShown: true },
  '.tif': { type: 'image/tiff', isShown: false },
  '.exr': { type: 'image/x-exr', isShown: false },
};
const OTHER_CONTENT = { type: 'application/octet-stream', isShown: false };

/** A file of a frame, whole or in ranges: rule S3. Its ETag is its SHA-256 (rule C2). */
export function addOutputStream(
  app: FastifyInstance,
  deps: { store: ObjectStore; findOutput(outputId: string): Promise<StoredOutput | undefined> },
): void {
  app.get('/v1/outputs/:outputId/content', { config: { access: 'operator' } }, async (request, reply) => {
    const { outputId } = check(OutputParams, request.params, 'path');
    const output = await deps.findOutput(outputId);
    if (!output) throw new PictorError('not-found', `There is no output ${outputId}.`);
    const etag = `"${output.sha256}"`;
    const content = CONTENT_TYPES[path.extname(output.path).toLowerCase()] ?? OTHER_CONTENT;
    reply.headers({
      'content-type': content.type,
      'content-disposition': contentDisposition(content.isShown, path.basename(output.path)),
      'accept-ranges': 'bytes',
      'cache-control': 'private, max-age=31536000, immutable',
      etag,
    });
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();

    const ifRange = request.headers['if-range'];
    const wanted = ifRange === undefined || ifRange === etag ? request.headers.range : undefined;
    const range = parseRange(wanted, output.sizeBytes);
    if (range === 'unsatisfiable') {
      return reply.code(416).header('content-range', `bytes */${output.sizeBytes}`).send();
    }
    if (range === null) {
      return reply.header('content-length', output.sizeBytes).send(readContent(deps.store, output));
    }
    return reply
      .code(206)
      .headers({
        'content-length': range.end - range.start + 1,
        'content-range': `bytes ${range.start}-${range.end}/${output.sizeBytes}`,
      })
      .send(readContent(deps.store, output, range));
  });
}

/** One range of bytes, both ends included; null where the whole file is to be sent (no range, or several, which we may ignore). */
export function parseRange(
  header: string | undefined,
  sizeBytes: number,
): { start: number; end: number } | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const [, first, last] = match;
  const start = first === '' ? Math.max(sizeBytes - Number(last), 0) : Number(first);
  const end = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1);
  if (first !== '' && last !== '' && Number(last) < Number(first)) return null;
  if (start >= sizeBytes || end < start) return 'unsatisfiable';
  return { start, end };
}

function contentDisposition(isShown: boolean, name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${isShown ? 'inline' : 'attachment'}; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
