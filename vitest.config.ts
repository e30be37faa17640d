import { defineConfig } from 'vitest/config';

// Real Blender and real PostgreSQL on two cores: one file at a time is faster than two that wait for each other.
export default defineConfig({
  test: {
    include: ['{apps,packages}/*/src/**/*.test.ts', '{bench,e2e,examples}/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
