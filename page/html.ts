/** Markup: htm's templates over Preact. htm is not HTML: what is opened must be closed. */
import htm from 'htm';
import { h, type VNode } from 'preact';

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- htm cannot know that one template is one element
export const html = htm.bind(h) as (strings: TemplateStringsArray, ...values: unknown[]) => VNode;
