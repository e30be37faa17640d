import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ROUTES, type Route } from './index.ts';

const routes: [string, Route][] = Object.entries(ROUTES);

describe('ROUTES', () => {
  it('has no two routes at one place', () => {
    const places = routes.map(([, { method, path }]) => `${method} ${path.replaceAll(/:\w+/g, ':')}`);
    expect(new Set(places).size).toBe(places.length);
  });

  it.each(routes)('%s names in its schema what stands in its path, and says who may call it', (_, route) => {
    const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => name);
    const inSchema = route.params instanceof z.ZodObject ? Object.keys(route.params.shape) : [];
    expect(inSchema.sort()).toEqual(inPath.sort());
    expect(['public', 'operator', 'grant']).toContain(route.access);
    expect(route.summary).toMatch(/\S/);
    if (route.method === 'GET') expect(route.body).toBeUndefined();
  });

  it('lets everybody call nothing but the health of the server', () => {
    expect(routes.filter(([, { access }]) => access === 'public').map(([name]) => name)).toEqual(['health']);
  });
});
