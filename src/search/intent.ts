/** Whether a query requests an action or information. Pure. */
import { stem, wordsOf } from './words.ts'

/** Verbs of actions, as an imperative uses them. */
const ACTIONS = new Set(
  'abort accept add allow approve assign begin bounce bring call cancel carry change configure connect create delegate delete disable disconnect dispatch distribute do drop edit enable execute fix give grant halt heal increase invalidate issue kill label launch let lock lower make mend modify move pause perform plug put queue raise reboot reduce record register relaunch remove repair replace reset restart resume retry revoke rotate run scale schedule send set shut shutdown start stop submit subscribe switch tag take trade trust turn unplug update use'
    .split(' ')
    .map((verb) => stem(verb) ?? verb),
)
/** Openings of a request that precede its verb: courtesy, and urgency, as in "emergency stop". */
const PREAMBLE =
  /^\s*(please|now|emergency:?|urgent(ly)?:?|immediately|(can|could|would|will) (you|we|i)|how (do|can|could|should|would|to) ?(i|we|you)?|i (want|need|would like) (you )?to|i'd like to|let's)\s+/i
/** Openings of a question. */
const QUESTION =
  /^\s*(what|which|who|whom|whose|when|where|why|how|is|are|am|was|were|do(?! (a|an|it|this|that)\b)|does|did|has|have|had|will|would|should|may|might|can|could|show|list|tell|explain|compare|find|(give|get|tell) (me|us))\b/i
/** Openings of a question about a state. */
const STATE_QUESTION = /^\s*(is|are)\b/i

/**
 * The verb that a command begins with, such as `restart` in "please restart the price feed", as a stem;
 * undefined for a question. For a topic, such as "balancing strategy", it is the first word.
 */
export function openingWord(query: string): string | undefined {
  const request = query.replace(PREAMBLE, '').replace(PREAMBLE, '')
  if (QUESTION.test(request)) return undefined
  const [first = ''] = wordsOf(request)
  return stem(first) ?? first
}

/**
 * Whether a query in plain words is a command, rather than a question or a topic: it begins with the verb of
 * an action.
 */
export function requestsAction(query: string): boolean {
  const opening = openingWord(query)
  return opening !== undefined && ACTIONS.has(opening)
}

/** Whether a query asks for the state of something, as "is trading halted" does. */
export const asksForState = (query: string): boolean => STATE_QUESTION.test(query)
