import { describe, expect, it } from 'vitest';
import { untestedBlender } from './version.ts';

describe(untestedBlender, () => {
  it.each(['3.4', '3.4.1'])('has nothing to say of %s', (version) => {
    expect(untestedBlender(version)).toBeNull();
  });

  it.each(['3.40.1', '4.2.0', '2.93.1'])('warns of %s', (version) => {
    expect(untestedBlender(version)).toContain(version);
  });
});
