/** The number of a frame as Blender writes it into file names: at least four digits, `1` → `0001`, `-5` → `-0005`. */
export function frameFileName(frame: number): string {
  return `${frame < 0 ? '-' : ''}${String(Math.abs(frame)).padStart(4, '0')}`;
}
