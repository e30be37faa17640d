import { join } from 'node:path';
import type { Mount } from '../sandbox/index.ts';

const DRIVER_DIR = import.meta.dirname;
const INSPECTION_DIR = join(DRIVER_DIR, '../inspection');

/** Where the driver's Python stands, as Blender sees it. */
export interface DriverFolders {
  driver: string;
  inspection: string;
}

/** Behind the walls the two folders stand at places that say nothing about the machine. */
const INSIDE: DriverFolders = { driver: '/pictor/driver', inspection: '/pictor/inspection' };

export function driverFolders(level: 'bubblewrap' | 'none'): DriverFolders {
  return level === 'none' ? { driver: DRIVER_DIR, inspection: INSPECTION_DIR } : INSIDE;
}

export function driverMounts(): Mount[] {
  return [
    { source: DRIVER_DIR, target: INSIDE.driver },
    { source: INSPECTION_DIR, target: INSIDE.inspection },
  ];
}

/** Arguments with which Blender becomes the driver and waits for commands on file descriptor 3. */
export function driverArguments(folders: DriverFolders, inside: { jobDir: string; outDir: string }): string[] {
  const script = ['-b', '--factory-startup', '--disable-autoexec', '--python', join(folders.driver, 'driver.py')];
  return [...script, '--', '--job', inside.jobDir, '--out', inside.outDir, '--inspection', folders.inspection];
}
