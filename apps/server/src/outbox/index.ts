export { createEventFeed, type EventFeed, type FeedItem } from './event-feed.ts';
export { OUTBOX_CHANNEL, type OutboxEvent, publish } from './publish.ts';
