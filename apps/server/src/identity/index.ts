export { createGrants, type GrantClaims, type GrantSubject, type Grants } from './grants.ts';
export { newId } from './new-id.ts';
export { loadOperatorToken, tokensMatch } from './operator-token.ts';
