/** Version of the agent protocol. Raised when an older agent could misread a message; both sides state theirs in the handshake. */
export const PROTOCOL_VERSION = 1;

/** Version of the programs, shown to people; never compared. */
export const PICTOR_VERSION = '0.1.0';
