export { attachGateway, type Gateway } from './attach-gateway.ts';
export type { GatewayDeps } from './gateway-deps.ts';
