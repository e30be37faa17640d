/** Where the server is and who asks. */
export interface ServerAddress {
  /** `http://127.0.0.1:7878`; a path is kept as a prefix. */
  url: string;
  /** The operator's token. */
  token?: string;
}
