/** Misspelt names of settings, in the environment and in `.env`, which would be ignored without a word. */
import { join } from 'node:path'
import { nearest } from '../std/nearest.ts'
import { dotEnvNames, KEY_VARIABLE } from './dot-env.ts'
import { SETTING_NAMES } from './settings.ts'

/** Variables that are read from the environment only. */
const ENVIRONMENT_NAMES = [
  'KINTSUGI_HOME',
  'KINTSUGI_ANVIL',
  'KINTSUGI_FORGE',
  'KINTSUGI_POSTGRES',
  'KINTSUGI_DEBUG',
  'OTEL_EXPORTER_OTLP_HEADERS',
]
const KNOWN: readonly string[] = [...SETTING_NAMES, KEY_VARIABLE, ...ENVIRONMENT_NAMES]
const firstWord = (name: string) => name.toUpperCase().split('_')[0] as string
const PREFIXES: ReadonlySet<string> = new Set(KNOWN.map(firstWord))

/** A name that resembles a setting but is none. */
export interface UnknownSetting {
  readonly name: string
  readonly source: 'environment' | '.env'
  /** The names that may be meant, best first. */
  readonly meant: readonly string[]
}

/**
 * The names of the environment that begin like a setting and resemble one, and those of `.env` that begin
 * like one or resemble one. Other programs share both, so other names are none of ours.
 */
export function unknownSettings(env: NodeJS.ProcessEnv, folder: string): UnknownSetting[] {
  const unknown = (name: string, source: UnknownSetting['source']): UnknownSetting[] => {
    if (KNOWN.includes(name)) return []
    const meant = nearest(name, KNOWN)
    const ours = PREFIXES.has(firstWord(name))
    const suspicious = source === '.env' ? ours || meant.length > 0 : ours && meant.length > 0
    return suspicious ? [{ name, source, meant }] : []
  }
  return [
    ...dotEnvNames(join(folder, '.env')).flatMap((name) => unknown(name, '.env')),
    ...Object.keys(env).flatMap((name) => unknown(name, 'environment')),
  ]
}

/** What is wrong with a name, and what to do. */
export const unknownSettingWords = ({ meant }: UnknownSetting): { found: string; advice: string } => ({
  found: 'this name is not a setting and is ignored',
  advice: meant.length === 0 ? '.env.example lists all settings' : `did you mean ${meant.join(' or ')}?`,
})
