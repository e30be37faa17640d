import {
  type JobEvent,
  ROUTES,
  type RouteInput,
  type RouteName,
  type RouteReply,
  type SnapshotFile,
} from '@pictor/protocol';
import { downloadOutput, openOutput } from './download-output.ts';
import { readEvents } from './read-events.ts';
import { requestRoute } from './request-route.ts';
import type { ServerAddress } from './server-address.ts';
import { type FileToUpload, type UploadOptions, uploadFiles } from './upload-files.ts';

/** One method per route of the protocol. */
export type RouteMethods = {
  [Name in RouteName]: (
    ...args: keyof RouteInput<Name> extends never ? [input?: RouteInput<Name>] : [input: RouteInput<Name>]
  ) => Promise<RouteReply<Name>>;
};

/** Refusals of the server are thrown as PictorError with its code; `server-unreachable` where it does not answer. */
export interface ApiClient extends RouteMethods {
  /**
   * Events of a job (of all without `jobId`), until `signal` aborts. Begins with `resync`; goes on where it was after the connection or
   * the server was away. Throws `server-unreachable` where the first connection fails, or the server stays away for five minutes.
   */
  events(options?: { jobId?: string; signal?: AbortSignal }): AsyncGenerator<JobEvent>;
  /**
   * Sends what of these files the server lacks and returns them as a manifest names them, in the same order. Constant memory; interrupted
   * and called again, it goes on. Throws `file-not-found`, `file-changed` where one changes meanwhile, `disk-full` of the server.
   */
  uploadFiles(files: FileToUpload[], options?: UploadOptions): Promise<SnapshotFile[]>;
  /** The content of an output, as it comes. */
  openOutput(outputId: string, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Saves an output under `path`, which appears when it is complete and its hash is right. Throws `chunk-mismatch`, `disk-full`. */
  downloadOutput(outputId: string, path: string, options?: { signal?: AbortSignal }): Promise<void>;
}

/** A client of a Pictor server, typed from the contracts in the protocol. */
export function createApiClient(server: ServerAddress): ApiClient {
  const names = Object.keys(ROUTES) as RouteName[];
  const methods = Object.fromEntries(
    names.map((name) => [name, (input: object = {}) => requestRoute(server, name, input)]),
  ) as unknown as RouteMethods;
  return {
    ...methods,
    events: (options = {}) => readEvents(server, options),
    uploadFiles: (files, options = {}) => uploadFiles(server, files, options),
    openOutput: (outputId, signal) => openOutput(server, outputId, signal).then(({ content }) => content),
    downloadOutput: (outputId, path, options = {}) => downloadOutput(server, outputId, path, options.signal),
  };
}
