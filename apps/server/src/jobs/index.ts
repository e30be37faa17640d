export { createJob } from './create-job.ts';
export { endFinishedJobs } from './end-jobs.ts';
export { jobHandlers } from './job-handlers.ts';
export { JOB_TRANSITIONS } from './job-transitions.ts';
export { type JobPlan, planJob } from './plan-job.ts';
export { listJobsForLeases, listOpenJobs, type OpenJob } from './read-demand.ts';
export { getJob, listJobs } from './read-jobs.ts';
export { cancelJob, failJob, pauseJob, resumeJob, retryJob } from './steer-job.ts';
