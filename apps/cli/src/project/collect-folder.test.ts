import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PictorError } from '@pictor/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { collectFolder } from './collect-folder.ts';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** A project with these files; a value that begins with `-> ` is a link. */
async function aProject(entries: Record<string, string>): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'pictor-project-')));
  folders.push(folder);
  for (const [path, content] of Object.entries(entries)) {
    const absolute = join(folder, path);
    await mkdir(dirname(absolute), { recursive: true });
    if (content.startsWith('-> ')) await symlink(content.slice(3), absolute);
    else await writeFile(absolute, content);
  }
  return join(folder, 'film');
}

const pathsOf = async (project: string, file: string, out: string | null = null) =>
  (await collectFolder({ project, file, out })).files.map((each) => each.path);

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error) => (error instanceof PictorError ? { code: error.code, message: error.message } : error),
  );

describe(collectFolder, () => {
  it('takes every file, names with spaces and unicode included', async () => {
    const project = await aProject({
      'film/scenes/a.blend': 'a',
      'film/tex tures/Holz ähnlich 木.png': 'b',
      'film/empty.txt': '',
    });
    expect(await pathsOf(project, 'scenes/a.blend')).toEqual([
      'empty.txt',
      'scenes/a.blend',
      'tex tures/Holz ähnlich 木.png',
    ]);
  });

  it('leaves version control, backups and the folder of the frames behind', async () => {
    const project = await aProject({
      'film/a.blend': 'a',
      'film/a.blend1': 'old',
      'film/.git/config': 'x',
      'film/frames/0001.png': 'x',
    });
    expect(await pathsOf(project, 'a.blend', join(project, 'frames'))).toEqual(['a.blend']);
  });

  it('renders a backup where it is the scene that was named', async () => {
    const project = await aProject({ 'film/a.blend1': 'old' });
    expect(await pathsOf(project, 'a.blend1')).toEqual(['a.blend1']);
  });

  it('follows links inside the project to their content', async () => {
    const project = await aProject({
      'film/a.blend': 'a',
      'film/textures/wood.png': 'wood',
      'film/latest.png': '-> textures/wood.png',
      'film/tex': '-> textures',
    });
    const { files } = await collectFolder({ project, file: 'a.blend', out: null });
    expect(files.map((file) => file.path)).toEqual(['a.blend', 'latest.png', 'tex/wood.png', 'textures/wood.png']);
    expect(files.find((file) => file.path === 'latest.png')?.absolutePath).toBe(join(project, 'textures/wood.png'));
  });

  it.each([
    ['a file', '-> /etc/hostname'],
    ['a folder', '-> ..'],
    ['a file beside it', '-> ../../secret.txt'],
  ])('refuses a link out of the project to %s, naming it', async (_what, link) => {
    const project = await aProject({ 'secret.txt': 's', 'film/a.blend': 'a', 'film/textures/link.png': link });
    expect(await refusal(collectFolder({ project, file: 'a.blend', out: null }))).toMatchObject({
      code: 'path-outside-project',
      message: expect.stringContaining('textures/link.png'),
    });
  });

  it('refuses a link that leads back to its own folder', async () => {
    const project = await aProject({ 'film/a.blend': 'a', 'film/deep/again': '-> ../deep' });
    expect(await refusal(collectFolder({ project, file: 'a.blend', out: null }))).toMatchObject({
      code: 'path-outside-project',
      message: expect.stringContaining('deep/again'),
    });
  });

  it('refuses a link to nothing', async () => {
    const project = await aProject({ 'film/a.blend': 'a', 'film/wood.png': '-> gone.png' });
    expect(await refusal(collectFolder({ project, file: 'a.blend', out: null }))).toMatchObject({
      code: 'file-not-found',
      message: expect.stringContaining('wood.png'),
    });
  });

  it.each(['../a.blend', 'scenes/../../a.blend', '/etc/hostname', '.', '..'])(
    'refuses the scene %s, which is not inside the project',
    async (file) => {
      const project = await aProject({ 'a.blend': 'a', 'film/b.blend': 'b' });
      expect(await refusal(collectFolder({ project, file, out: null }))).toMatchObject({
        code: 'path-outside-project',
      });
    },
  );

  it('takes an absolute path to a scene inside the project, and one with `..` that stays inside', async () => {
    const project = await aProject({ 'film/scenes/a.blend': 'a' });
    expect((await collectFolder({ project, file: join(project, 'scenes/a.blend'), out: null })).file).toBe(
      'scenes/a.blend',
    );
    expect((await collectFolder({ project, file: 'scenes/../scenes/a.blend', out: null })).file).toBe('scenes/a.blend');
  });

  it('refuses a file whose name no project path can be, naming it', async () => {
    const project = await aProject({ 'film/a.blend': 'a', 'film/wood\\dark.png': 'x' });
    expect(await refusal(collectFolder({ project, file: 'a.blend', out: null }))).toMatchObject({
      code: 'path-invalid',
      message: expect.stringContaining('dark.png'),
    });
  });

  it('refuses a file whose name is not UTF-8', async () => {
    const project = await aProject({ 'film/a.blend': 'a' });
    await writeFile(Buffer.concat([Buffer.from(`${project}/`), Buffer.from([0x77, 0xff, 0x2e])]), 'x');
    expect(await refusal(collectFolder({ project, file: 'a.blend', out: null }))).toMatchObject({
      code: 'path-invalid',
    });
  });

  it.each([
    ['missing.blend', 'film'],
    ['a.blend', 'nowhere'],
  ])('refuses %s in %s, which is not there', async (file, folder) => {
    const project = join(await aProject({ 'film/a.blend': 'a' }), '..', folder);
    expect(await refusal(collectFolder({ project, file, out: null }))).toMatchObject({ code: 'file-not-found' });
  });
});
