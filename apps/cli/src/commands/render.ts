import type { Command } from 'commander';
import type { RenderOptions } from '../render/render-options.ts';
import { runRender } from '../render/run-render.ts';
import { collect, withServerOptions } from './options.ts';

/** `pictor render`: one project, from its files to frames in a folder. */
export function addRender(program: Command): void {
  const command = program
    .command('render')
    .description('Render a .blend, or a project folder, now')
    .argument('[scene]', 'the .blend; the files it uses travel with it')
    .option('--project <dir>', 'folder that travels as a whole; the scene is a path within it')
    .option('--file <path>', 'the .blend within --project')
    .option('--out <dir>', 'folder for the frames', 'pictor-render')
    .option('--frames <frames>', "1-250, 1-250x2, 1,5,9-20 (default: the scene's own range)")
    .option('--engine <engine>', 'cycles, eevee or workbench')
    .option('--device <device>', 'cpu, gpu or gpu+cpu')
    .option('--samples <n>', 'samples a pixel')
    .option('--resolution <size>', '50% or 1920x1080')
    .option('--format <format>', 'png, jpeg, openexr, multilayer, tiff or webp; with depth: png:16, openexr:32')
    .option('--camera <name>', 'camera to render')
    .option('--scene <name>', 'scene within the .blend')
    .option('--view-layer <name>', 'view layer to render (may be repeated)', collect)
    .option('--denoiser <off>', 'off: render without denoising')
    .option('--allow-missing', 'render although textures or libraries are missing')
    .option('--bake', 'have unbaked simulations baked first, by one agent, then rendered by all (up to the last frame)')
    .option('--sequential', 'one agent renders all frames in order, for scenes that depend on the frames before')
    .option('--frames-per-node <n>', 'frames an agent gets at a time (default: by how long they take)')
    .option('--timeout-alert <minutes>', 'tell when a frame takes longer')
    .option('--timeout-analysis <minutes>', 'tell what Blender is doing when a frame takes longer')
    .option('--timeout-stop <minutes>', 'stop a frame that takes longer and give it to another agent')
    .option('--memory-limit <gigabytes>', 'memory a frame may take')
    .option('--agents <n>', 'agents of a network of its own (default: 1); such a one is used even where a server is up')
    .option('--blender <path>', 'Blender for such a network (may be repeated)', collect);
  withServerOptions(command)
    .addHelpText(
      'after',
      `
Without --server, the server that is up on this machine renders; where there is none, a network of its own is
started for the job and stopped after it. Of a lone .blend the files that it uses travel. Of a --project all files do,
but for version control (.git and the like), node_modules, Blender's backups (.blend1) and the --out folder.
Ctrl-C asks whether the job goes on in the background or is canceled.

Exit codes: 0 all frames are there, 1 something failed, 2 the input is not right, 130 canceled.

Examples:
  pictor render scene.blend
  pictor render scene.blend --frames 1-8 --out frames --engine cycles --samples 64 --resolution 50%
  pictor render --project film --file scenes/shot-010.blend --format openexr:32
  pictor render scene.blend --frames 1-250x10 --server http://10.0.0.5:7878 --json`,
    )
    .action((scene: string | undefined, options: RenderOptions) => runRender(scene, options));
}
