/** Why something is not written: a word for a program, a line for a person, and the HTTP status that says it. */
export const REFUSALS = {
  malformed: 400,
  'no-vpc': 404,
  'no-subnet': 404,
  'no-havip': 404,
  misplaced: 409,
  'outside-subnet': 409,
  network: 409,
  broadcast: 409,
  gateway: 409,
  metadata: 409,
  'fixed-address': 409,
  taken: 409,
  full: 409,
  quota: 409,
  members: 409,
  'no-home': 409,
  vrid: 409,
  'id-taken': 409,
  'key-reused': 422,
  elsewhere: 409,
  refused: 409,
  beaten: 409,
  'in-use': 409,
  'not-granted': 403,
  away: 503,
  busy: 503,
  unwritable: 503,
} as const;

/** With the HTTP status that says it. */
export type RefusalCode = keyof typeof REFUSALS;

export interface WriteRefusal {
  readonly code: RefusalCode;
  /** What is wrong and what would be right. */
  readonly message: string;
}

/** One line for a person, and a word for a program. */
export class CatalogueError extends Error {
  override name = 'CatalogueError';
  readonly failure = 'refusal';
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
