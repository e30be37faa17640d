import type { CliEvent } from './cli-event.ts';
import { count, formatBytes, formatDuration } from './format-quantities.ts';

/** One line for people; null for events that only bars and JSON show. */
export function eventText(event: CliEvent): string | null {
  switch (event.event) {
    case 'note':
      return event.message;
    case 'warning':
      return `warning: ${event.message}`;
    case 'network':
      return event.embedded ? null : `using the server at ${event.url}`;
    case 'restarted':
      return `warning: the ${event.program} ${event.reason} and is started again`;
    case 'upload':
    case 'progress':
    case 'inspection':
    case 'downloaded':
      return null;
    case 'uploaded': {
      const sent = event.sentBytes === event.totalBytes ? '' : `, ${formatBytes(event.sentBytes)} of it new`;
      return `uploaded ${count(event.files, 'file')} (${formatBytes(event.totalBytes)}${sent}) in ${formatDuration(event.seconds)}`;
    }
    case 'baking': {
      const named = event.simulations.map(({ kind, object }) => `${kind} of ${object}`);
      const more = named.length > 8 ? ` and ${named.length - 8} more` : '';
      return `baking ${named.slice(0, 8).join(', ')}${more}: one agent plays the scene`;
    }
    case 'baked':
      return `baked in ${formatDuration(event.seconds)}`;
    case 'job':
      return `job ${event.jobId}: ${count(event.frameCount, 'frame')} (${event.frames}) of ${event.name}`;
    case 'job-changed': {
      const reason = event.reason ? `: ${event.reason}` : '';
      return event.status === 'rendering' && !reason ? null : `job ${event.status}${reason}`;
    }
    case 'frame':
      return frameText(event);
    case 'alert': {
      const level = event.level === 'alert' ? 'takes long' : 'takes very long';
      return `warning: frame ${event.number} ${level}: ${event.evidence}`;
    }
    case 'finished': {
      const failed = event.failed > 0 ? `, ${event.failed} failed` : '';
      return `${count(event.succeeded, 'frame')} done${failed} in ${formatDuration(event.seconds)}: ${count(event.files, 'file')} in ${event.out}`;
    }
  }
}

function frameText(event: Extract<CliEvent, { event: 'frame' }>): string | null {
  const where = event.worker ? ` on ${event.worker}` : '';
  switch (event.status) {
    case 'succeeded':
    case 'accepted':
      return `frame ${event.number} done${event.renderSeconds === null ? '' : ` in ${formatDuration(event.renderSeconds)}`}${where}`;
    case 'failed':
      return `frame ${event.number} failed${where}${event.message ? `: ${event.message}` : ''}`;
    case 'enqueued':
      return `frame ${event.number} is tried again${event.message ? `: ${event.message}` : ''}`;
    default:
      return null;
  }
}

/** How far a job is, in one line. */
export function progressText(event: Extract<CliEvent, { event: 'progress' }>): string {
  const rendering = event.rendering
    .slice(0, 4)
    .map((frame) => `${frame.number} ${Math.round(frame.fraction * 100)}%`)
    .join(', ');
  const more = event.rendering.length > 4 ? `, ${event.rendering.length - 4} more` : '';
  return [
    `${event.done}/${event.total} frames`,
    event.failed > 0 ? `${event.failed} failed` : null,
    rendering ? `rendering ${rendering}${more}` : null,
    event.framesPerMinute === null ? null : `${event.framesPerMinute.toFixed(1)} frames/min`,
    event.secondsLeft === null ? null : `${formatDuration(event.secondsLeft)} left`,
  ]
    .filter((part) => part !== null)
    .join(' | ');
}
