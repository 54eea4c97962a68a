// What all doors share: questions from standard input, answers to standard output. See sdk/README.md.

import { createInterface } from "node:readline";
import type { JsonObject } from "@bufbuild/protobuf";

export interface IdentityQuestion {
  id?: string;
  email?: string;
  name?: string;
  attributes?: JsonObject;
}

export interface Question {
  id: string;
  rpc: "VerifyWebhook" | "Verify" | "Sign";
  secret: string;
  headers?: [string, string][];
  body?: string;
  method?: string;
  url?: string;
  claimed?: IdentityQuestion;
  identity?: IdentityQuestion;
  hash?: string;
  token?: string;
}

/** The answer without its id. */
export type Answer = Record<string, unknown>;

/** Answers every line in its turn. */
export async function serve(answer: (question: Question) => Promise<Answer>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "") continue;
    const question = JSON.parse(line) as Question;
    process.stdout.write(`${JSON.stringify({ id: question.id, ...(await answer(question)) })}\n`);
  }
}

/** An identity as the answers have it. */
export function identity(fields: Partial<IdentityQuestion> | null | undefined): Answer | null {
  if (!fields) return null;
  const { id = "", email = "", name = "", attributes = null } = fields;
  return { id, email, name, attributes };
}
