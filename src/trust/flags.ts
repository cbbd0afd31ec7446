/**
 * Suspicious content in the definitions of connected servers: hidden characters, and sentences that instruct
 * the model instead of describing the tool. Pure.
 */

/** One suspicious finding. */
export interface Flag {
  readonly kind: 'hidden-characters' | 'instructions' | 'secrets' | 'encoded'
  /** The finding in printable characters. */
  readonly found: string
}

/**
 * Default-ignorable characters of Unicode (zero-width, direction, tags, fillers) and control characters,
 * except the variation selector of emoji, line ends and tabs.
 */
const HIDDEN = /(?![\ufe0f\t\n\r])[\p{DI}\p{Cc}]/gu

const INSTRUCTIONS: readonly RegExp[] = [
  /\b(ignore|disregard|forget|override)\b[^.]{0,40}\b(previous|prior|earlier|above|all|other|system)\b[^.]{0,30}\b(instruction|prompt|rule|message|guideline)s?/i,
  /<\/?(important|system|instructions?|secret|hidden|assistant|admin)>/i,
  /\b(do not|don't|never|without)\b[^.]{0,30}\b(tell|telling|mention|mentioning|inform|informing|show|showing|reveal|revealing|notify|notifying|alert|alerting)\b[^.]{0,30}\b(user|human|person|anyone|people|operator)\b/i,
  /\b(you must|you should|always|make sure to|be sure to|remember to|it is (critical|mandatory|required))\b[^.]{0,60}\b(before|after|when|instead of|prior to)\b[^.]{0,40}\b(using|calling|use|call|invoking|any|other|every|this)\b[^.]{0,30}\btools?\b/i,
  /\b(before|prior to|instead of|after)\b (using|calling|invoking) (this|any|the|other)[^.]{0,30}\b(read|send|call|fetch|open|include|pass|execute|run|copy|forward)\b/i,
  /\b(you are now|act as|pretend to be|from now on,? (you|act|always|never|ignore|answer|respond)|new instructions?:)/i,
  /\b(forward|send|upload|post|exfiltrate|leak|copy|e?mail|transmit)\b[^.]{0,60}\b(to|at)\b[^.]{0,20}(https?:\/\/|[\w.+-]+@[\w-]+\.|the address|this address|my server|attacker)/i,
  /\bthe (assistant|model|ai|llm|agent) (must|should|will|has to|needs to)\b/i,
]

const SECRETS =
  /(~|\$HOME|\/home\/\w+|\/root|%USERPROFILE%)?[/\\]?\.(ssh|aws|gnupg|kube|netrc|npmrc|env)\b|\bid_(rsa|ed25519)\b|\b(private|secret|api)[ _-]?keys?\b[^.]{0,40}\b(read|include|pass|content|value|send)|\b(read|include|pass|send)\b[^.]{0,40}\b(private|secret|api)[ _-]?keys?\b|\/etc\/(passwd|shadow)|\bmcp\.json\b|\bconversation history\b|\bsystem prompt\b/i
const ENCODED = /(?:[A-Za-z0-9+/]{80,}={0,2})|(?:\\u[0-9a-f]{4}){8,}|(?:%[0-9a-f]{2}){12,}/i

const name = (character: string) =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`

/** Flags of a text. */
export function flagsOf(text: string): Flag[] {
  const flags: Flag[] = []
  const hidden = [...new Set(text.match(HIDDEN) ?? [])]
  if (hidden.length > 0)
    flags.push({ kind: 'hidden-characters', found: hidden.slice(0, 8).map(name).join(' ') })
  // Hidden characters between letters must not hide a sentence from the patterns.
  const plain = text.replace(HIDDEN, '').normalize('NFKC')
  for (const pattern of INSTRUCTIONS) {
    const match = pattern.exec(plain)
    if (match) {
      flags.push({ kind: 'instructions', found: match[0].slice(0, 160) })
      break
    }
  }
  const secret = SECRETS.exec(plain)
  if (secret) flags.push({ kind: 'secrets', found: secret[0].slice(0, 160) })
  const encoded = ENCODED.exec(plain)
  if (encoded) flags.push({ kind: 'encoded', found: encoded[0].slice(0, 60) })
  return flags
}

/** Flags of all texts in a definition that a model reads: descriptions, titles, names, defaults, enums. */
export function flagsOfDefinition(definition: unknown): Flag[] {
  const texts: string[] = []
  const walk = (value: unknown) => {
    if (typeof value === 'string') texts.push(value)
    else if (Array.isArray(value)) value.forEach(walk)
    else if (value !== null && typeof value === 'object')
      for (const [key, inner] of Object.entries(value)) {
        texts.push(key)
        walk(inner)
      }
  }
  walk(definition)
  const all = texts.flatMap(flagsOf)
  return all.filter(
    (flag, index) =>
      all.findIndex((other) => other.kind === flag.kind && other.found === flag.found) === index,
  )
}
