/** What is always answered, however much a service has to do. */

/** By these the fleet and its operators see how a service does, and halt trading. */
const ESSENTIAL = /\/(?:health|ready|metrics|status|halt)$/

/** Whether a request to this path is answered whatever the load. */
export const isEssential = (path: string): boolean => ESSENTIAL.test(path)
