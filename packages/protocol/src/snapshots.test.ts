import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProjectPath, SnapshotManifest } from './index.ts';

describe('ProjectPath', () => {
  it.each([
    'a.blend',
    'scenes/a.blend',
    'a b/c d.png',
    'Übung/木目.png',
    'e\u0301.png',
    '..a/b..',
    '...',
    'a/...b',
    '.hidden',
    'C:/tex.png',
    '100%.png',
    '100%25.png',
    '%20.png',
    'caffè…/x',
    '_external/home/me/wood.png',
    '-rf',
    '~',
    '$HOME',
    'a'.repeat(255),
  ])('takes %j', (path) => {
    expect(ProjectPath.parse(path)).toBe(path);
  });

  it.each([
    '',
    '.',
    '..',
    '/',
    '/etc/passwd',
    '//server/share',
    '../a',
    'a/../b',
    'a/..',
    'a/./b',
    'a//b',
    'a/',
    './a',
    '..\\a',
    'a\\..\\b',
    'C:\\a',
    'a\0b',
    'a\nb',
    'a\u001bb',
    'a\u007fb',
    'a\u009bb',
    '%2e%2e/a',
    '%2E%2e%2Fa',
    'a/%2e./b',
    '%252e%252e%252fa',
    '%2fetc%2fpasswd',
    '..%5ca',
    '%5c%5cserver',
    '．．/a',
    '‥/a',
    '．．／a',
    '／etc',
    'a／．．／b',
    '\ud800.png',
    'a'.repeat(256),
    'ü'.repeat(128),
    `${'a/'.repeat(512)}b`,
  ])('refuses %j', (path) => {
    expect(ProjectPath.safeParse(path).success).toBe(false);
  });

  it('never takes a path that leads out of the root, also after percent-decoding', () => {
    const pieces = ['..', '.', '/', '\\', '%2e', '%2f', '%5c', '%25', '2e', 'a', '．', '／', '‥', '\0', ' '];
    const paths = fc.array(fc.constantFrom(...pieces), { maxLength: 10 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(paths, (path) => {
        if (!ProjectPath.safeParse(path).success) return;
        for (const reading of [path, decoded(path), decoded(decoded(path))]) {
          for (const form of [reading, reading.normalize('NFKC')]) {
            expect(`${resolve('/root', form)}/`.startsWith('/root/')).toBe(true);
          }
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe('SnapshotManifest', () => {
  const sha256 = 'a'.repeat(64);
  const manifest = (paths: string[]) => ({
    files: paths.map((path) => ({ path, sizeBytes: 1, sha256, chunks: [sha256] })),
  });

  it('takes files and folders, and fills in that nothing is remapped', () => {
    const parsed = SnapshotManifest.parse(manifest(['a.blend', 'a', 'b/c/d.png', 'b/c/e.png', 'b/f.png']));
    expect(parsed.remaps).toEqual([]);
  });

  it.each([[['a.blend', 'a.blend']], [['a', 'a/b']], [['a/b/c/d', 'x', 'a/b']], [[]], [['../a.blend']]])(
    'refuses %j',
    (paths) => {
      expect(SnapshotManifest.safeParse(manifest(paths)).success).toBe(false);
    },
  );

  it('takes as many files as it may have', () => {
    const paths = Array.from({ length: 200_000 }, (_, index) => `textures/${index % 500}/${index}.png`);
    expect(SnapshotManifest.safeParse(manifest(paths)).success).toBe(true);
    expect(SnapshotManifest.safeParse(manifest([...paths, 'one-more'])).success).toBe(false);
  });
});

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
