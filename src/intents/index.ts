export { encodeExecute, encodePlan } from './encode.ts'
export { type ExecuteIntent, type Intent, intent } from './intents.ts'
