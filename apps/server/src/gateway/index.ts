export { attachGateway, type Gateway, type GatewayDeps } from './attach-gateway.ts';
