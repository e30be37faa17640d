import type { InspectionReport, SceneInspection } from '@pictor/protocol';
import { missingFiles } from './judge-inspection.ts';

/** An inspection as lines for people. */
export function describeInspection(report: InspectionReport): string {
  const lines = [`saved with Blender ${report.savedWith}, looked at with ${report.inspectedWith}`];
  for (const scene of report.scenes) lines.push('', ...describeScene(scene, scene.name === report.activeScene));
  const present = report.references.filter((reference) => reference.status === 'present');
  lines.push(
    ...list('files it uses', [...new Set(present.map((reference) => `${reference.path} (${reference.kind})`))]),
  );
  lines.push(...list('missing', missingFiles(report)));
  lines.push(...list('scripts that will not run', report.scripts));
  return lines.join('\n');
}

function describeScene(scene: SceneInspection, isActive: boolean): string[] {
  const width = Math.round((scene.resolutionX * scene.resolutionPercent) / 100);
  const height = Math.round((scene.resolutionY * scene.resolutionPercent) / 100);
  const step = scene.frameStep === 1 ? '' : `x${scene.frameStep}`;
  const rows: [string, string | null][] = [
    ['engine', `${scene.engine}${scene.samples === null ? '' : `, ${scene.samples} samples`}`],
    ['frames', `${scene.frameStart}-${scene.frameEnd}${step}, ${scene.fps} a second`],
    ['resolution', `${width}x${height} (${scene.resolutionX}x${scene.resolutionY} at ${scene.resolutionPercent}%)`],
    ['output', `${scene.format} ${scene.depth}${scene.isMovie ? ' (a movie: rendered as pictures)' : ''}`],
    ['camera', scene.camera ?? (scene.hasMarkerCamera ? 'by markers' : 'none')],
    ['cameras', scene.cameras.length > 1 ? scene.cameras.join(', ') : null],
    ['view layers', scene.viewLayers.map((layer) => `${layer.name}${layer.enabled ? '' : ' (off)'}`).join(', ')],
    ['denoiser', scene.usesDenoiser ? scene.denoiser : null],
    ['compositor', scene.usesCompositor ? 'yes' : null],
    ['file outputs', scene.fileOutputNodes.join(', ') || null],
    ['views', scene.views.join(', ') || null],
    [
      'depends on earlier frames',
      scene.historyDependences.map((each) => `${each.object}: ${each.modifier} (${each.kind})`).join(', ') || null,
    ],
  ];
  return [
    `scene ${scene.name}${isActive ? ' (active)' : ''}`,
    ...rows.filter(([, value]) => value !== null).map(([name, value]) => `  ${name}: ${value}`),
  ];
}

function list(title: string, entries: string[]): string[] {
  return entries.length === 0 ? [] : ['', `${title}:`, ...entries.map((entry) => `  ${entry}`)];
}
