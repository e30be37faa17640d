import { type InspectedProject, inspectProject } from '../project/inspect-project.ts';
import { orderedScene } from '../project/judge-inspection.ts';
import type { Report } from '../terminal/cli-event.ts';
import type { JobOrder } from './render-options.ts';

/** Has an agent bake what the ordered scene has to bake; gives what was inspected back where that is nothing. */
export async function bakeScene(
  inspected: InspectedProject,
  order: JobOrder,
  options: Parameters<typeof inspectProject>[0] & { report: Report },
): Promise<InspectedProject> {
  const scene = orderedScene(inspected.report, order.settings.scene);
  const simulations = (scene?.historyDependences ?? [])
    .filter(({ bakeable }) => bakeable)
    .map(({ kind, object }) => ({ kind, object }));
  if (simulations.length === 0) return inspected;
  options.report({ event: 'baking', simulations });
  const startedMs = performance.now();
  const baked = await inspectProject({ ...options, bake: true });
  options.report({ event: 'baked', snapshotId: baked.snapshotId, seconds: (performance.now() - startedMs) / 1000 });
  return baked;
}
