export { checkBake } from './check-bake.ts';
export { createInspection } from './create-inspection.ts';
export { getInspection } from './get-inspection.ts';
export { inspectionHandlers } from './inspection-handlers.ts';
export { type InspectionOutcome, recordInspection } from './record-inspection.ts';
export { returnInspections } from './return-inspections.ts';
export { listWaitingInspections, takeInspections, type WaitingInspection } from './take-inspections.ts';
