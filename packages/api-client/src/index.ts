export { createContentHash, fileHash } from './content-hash.ts';
export { type ApiClient, createApiClient, type RouteMethods, type ServerAddress } from './create-api-client.ts';
export type { FileToUpload, UploadOptions, UploadProgress } from './upload-files.ts';
