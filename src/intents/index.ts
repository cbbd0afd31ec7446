export { encodeExecute, encodePlan } from './encode.ts'
export { type CancelIntent, cancelIntent, type ExecuteIntent, executeIntent, type Intent, intent } from './intents.ts'
