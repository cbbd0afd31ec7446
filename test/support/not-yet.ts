type Rule = 'longFiles' | 'longFunctions' | 'documentedExports' | 'statelessModules'

/**
 * Files that still break a rule of test/architecture.test.ts. The lists only shrink: the test fails while a file is listed
 * that no longer breaks its rule. Delete a list when it is empty.
 */
export const NOT_YET: Readonly<Record<Rule, readonly string[]>> = {
  longFiles: [],
  longFunctions: [],
  documentedExports: [],
  statelessModules: [],
}
