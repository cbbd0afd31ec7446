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

/** A name that is no setting where it stands. */
export interface UnknownSetting {
  readonly name: string
  readonly source: 'environment' | '.env'
  /** The names that may be meant, best first. */
  readonly meant: readonly string[]
  /** It is a setting, but of the environment only. */
  readonly belongsElsewhere: boolean
}

/**
 * The names of the environment that begin like a setting and resemble one: other programs share it. Of
 * `.env`, all names that are not read from it.
 */
export function unknownSettings(env: NodeJS.ProcessEnv, folder: string): UnknownSetting[] {
  const unknown = (name: string, source: UnknownSetting['source']): UnknownSetting[] => {
    const belongsElsewhere = source === '.env' && ENVIRONMENT_NAMES.includes(name)
    if (KNOWN.includes(name) && !belongsElsewhere) return []
    const meant = belongsElsewhere ? [] : meantBy(name)
    const suspicious = source === '.env' || (PREFIXES.has(firstWord(name)) && meant.length > 0)
    return suspicious ? [{ name, source, meant, belongsElsewhere }] : []
  }
  return [
    ...dotEnvNames(join(folder, '.env')).flatMap((name) => unknown(name, '.env')),
    ...Object.keys(env).flatMap((name) => unknown(name, 'environment')),
  ]
}

/** The names that resemble this one; without one, those that end with it, as POLYGON_RPC_URL with RPC_URL. */
function meantBy(name: string): readonly string[] {
  const near = nearest(name, KNOWN)
  return near.length > 0
    ? near
    : KNOWN.filter((known) => known.endsWith(`_${name.toUpperCase()}`)).slice(0, 3)
}

/** What is wrong with a name, and what to do. */
export const unknownSettingWords = ({
  meant,
  belongsElsewhere,
}: UnknownSetting): { found: string; advice: string } =>
  belongsElsewhere
    ? { found: 'this name is not read from .env', advice: 'set it in the environment' }
    : {
        found: 'this name is not a setting and is ignored',
        advice:
          meant.length === 0 ? '.env.example lists all settings' : `did you mean ${meant.join(' or ')}?`,
      }
