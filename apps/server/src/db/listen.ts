import pg from 'pg';

const RECONNECT_MS = 250;

/**
 * Calls `onNotify` for each NOTIFY on `channel`, and after each (re)connection, since what was notified while the connection was away
 * is lost: a notification says "look", never what. Returns once listening; `close` ends it.
 */
export async function listen(
  connection: pg.ClientConfig,
  channel: string,
  onNotify: () => void,
): Promise<{ close(): Promise<void> }> {
  let isClosed = false;
  let client: pg.Client | null = null;
  let timer: NodeJS.Timeout | undefined;

  const connect = async (): Promise<void> => {
    const next = new pg.Client(connection);
    next.on('notification', onNotify);
    next.on('error', () => {});
    next.once('end', () => {
      if (!isClosed) timer = setTimeout(reconnect, RECONNECT_MS);
    });
    await next.connect();
    await next.query(`listen ${pg.escapeIdentifier(channel)}`);
    client = next;
    if (isClosed) await next.end();
    else onNotify();
  };
  const reconnect = () => {
    connect().catch(() => {
      if (isClosed) return;
      clearTimeout(timer);
      timer = setTimeout(reconnect, RECONNECT_MS);
    });
  };

  await connect();
  return {
    async close() {
      isClosed = true;
      clearTimeout(timer);
      await client?.end();
    },
  };
}
