export { createContentHash, fileHash } from './content-hash.ts';
export { type ApiClient, createApiClient, type RouteMethods } from './create-api-client.ts';
export type { ServerAddress } from './server-address.ts';
export type { FileToUpload, UploadOptions, UploadProgress } from './upload-files.ts';
