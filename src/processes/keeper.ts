/**
 * The keeper and its watcher, one small program in two roles. The keeper binds the ports once, starts processes and hands the
 * listening sockets on; all that decides is in the supervisor, which it starts again if it dies or hangs. The watcher holds the same
 * sockets and does nothing else: keeper and watcher start each other again.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, rmSync } from 'node:fs'
import net, { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { HEARTBEAT_DEADLINE_MS } from '../fleet/healing/heartbeat.ts'
import { KintsugiError, messageOf, toErrorReport } from '../std/errors.ts'
import { FIRST_SOCKET_FD, type FromKeeper, jsonLines, type ToKeeper } from '../supervisor/links/protocol.ts'
import { processCommand } from './run/command.ts'
import { ignoreOutputErrors } from './run/ignore-output-errors.ts'
import { files, readPlan, socketPath } from './run/run-plan.ts'

export type KeeperMessage = { type: 'bound' } | { type: 'failed'; error: ReturnType<typeof toErrorReport> }

interface BoundSocket {
  fd(): number
  close(): void
}
type PeerMessage = { type: 'beat' } | { type: 'end' }

ignoreOutputErrors()
const dataFolder = process.env.KINTSUGI_DATA as string
const plan = readPlan(dataFolder)
const paths = files(dataFolder)
const role = process.env.KINTSUGI_ROLE === 'watcher' ? 'watcher' : 'keeper'
/** Inherited by a second or later keeper, and by each watcher; bound by the first keeper. */
const inherited = process.env.KINTSUGI_INHERITED === '1'
const BEAT_MS = 500
const PEER_END_MS = 1_000
/** A supervisor that outlived the last keeper calls again; only one that does not is started. */
const SUPERVISOR_PATIENCE_MS = 400

const services = Object.keys(plan.ports)
let keyFd = process.env.KINTSUGI_KEY_FD === undefined ? undefined : Number(process.env.KINTSUGI_KEY_FD)
let fds: number[] = []
let ending = false

/** Our own environment, less what is meant for us alone. */
const environment = (extra: Record<string, string> = {}): NodeJS.ProcessEnv => {
  const {
    KINTSUGI_ROLE: _,
    KINTSUGI_INHERITED: __,
    KINTSUGI_KEY_FD: ___,
    NODE_CHANNEL_FD: ____,
    ...env
  } = process.env
  return { ...env, KINTSUGI_KEY_HELD: keyFd === undefined ? '' : '1', ...extra }
}

/** Throws `port-taken`, naming all that are not free. */
function bind(): void {
  const BoundSocket = (
    net as unknown as { BoundSocket: new (options: { host: string; port: number }) => BoundSocket }
  ).BoundSocket
  const taken: string[] = []
  const bound: BoundSocket[] = []
  const attempt = (host: string, port: number, name: string): BoundSocket | undefined => {
    try {
      return new BoundSocket({ host, port })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error
      taken.push(`${port} (${name})${code === 'EACCES' ? ', which this user may not open' : ''}`)
      return undefined
    }
  }
  for (const service of services) {
    const socket = attempt(plan.settings.bindHost, plan.ports[service] as number, service)
    if (socket) bound.push(socket)
  }
  // Others will bind these: it is said now if they cannot.
  if (!plan.external.database) attempt('127.0.0.1', plan.databasePort, 'embedded PostgreSQL')?.close()
  // A chain that outlived an earlier fleet is taken up again.
  if (plan.mode === 'local' && !existsSync(paths.chainPid))
    attempt('127.0.0.1', plan.chainPort, 'embedded chain')?.close()
  if (taken.length > 0) {
    throw new KintsugiError(
      'port-taken',
      `${taken.length === 1 ? 'a port is' : `${taken.length} ports are`} taken: ${taken.join(', ')}`,
      {
        hint: 'stop what uses them (`ss -ltnp` tells), or move the whole fleet with --port-offset 1000',
      },
    )
  }
  fds = bound.map((socket) => socket.fd())
  held.push(...bound)
}
/** Kept so that nothing closes them. */
const held: BoundSocket[] = []

function openLog(name: string): number {
  return openSync(join(paths.logs, `${name}.log`), 'a', 0o600)
}

// Keeper and watcher: each holds the other's channel, and starts the other when it closes.

let peer: { send(message: PeerMessage): void; pid: number } | undefined
let peerBeat = Date.now()

function startPeer(): void {
  const log = openLog('keeper')
  const { command, args } = processCommand('keeper')
  const env = environment({
    KINTSUGI_ROLE: role === 'keeper' ? 'watcher' : 'keeper',
    KINTSUGI_INHERITED: '1',
    ...(keyFd === undefined ? {} : { KINTSUGI_KEY_FD: String(FIRST_SOCKET_FD + fds.length) }),
  })
  const child = spawn(command, args, {
    env,
    detached: true,
    stdio: ['ignore', log, log, 'ipc', ...fds, ...(keyFd === undefined ? [] : [keyFd])],
  })
  closeSync(log)
  peerBeat = Date.now() + 5_000
  peer = { send: (message) => child.connected && child.send(message), pid: child.pid as number }
  if (role === 'keeper') tellPeers()
  child.on('message', hearPeer)
  child.on('error', () => undefined)
  child.on('exit', () => {
    peer = undefined
    if (!ending) startPeer()
  })
}

function hearPeer(message: PeerMessage): void {
  peerBeat = Math.max(peerBeat, Date.now())
  if (message.type === 'end') process.exit(0)
}

function meetPeer(): void {
  if (inherited && process.send) {
    const parent = process.ppid
    peer = { send: (message) => process.connected && process.send?.(message), pid: parent }
    process.on('message', hearPeer)
    process.on('disconnect', () => {
      peer = undefined
      if (!ending) startPeer()
    })
  } else startPeer()
  let last = Date.now()
  setInterval(() => {
    const now = Date.now()
    const lagMs = Math.max(0, now - last - BEAT_MS)
    last = now
    peer?.send({ type: 'beat' })
    if (peer && now - peerBeat > HEARTBEAT_DEADLINE_MS + lagMs) {
      peerBeat = now
      note(`the ${role === 'keeper' ? 'watcher' : 'keeper'} hangs and is ended`)
      signal(peer.pid, 'SIGKILL')
    }
  }, BEAT_MS)
}

function note(message: string): void {
  console.log(JSON.stringify({ time: Date.now(), level: 40, process: role, pid: process.pid, msg: message }))
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Gone already.
  }
}

// The keeper alone.

const children = new Map<string, ChildProcess>()
/** Ends that no supervisor has heard of yet. */
let unheard: FromKeeper[] = []
let supervisor: Socket | undefined
let supervisorProcess: ChildProcess | undefined
let supervisorBeat = Date.now()

function tell(message: FromKeeper): void {
  if (supervisor?.writable) supervisor.write(`${JSON.stringify(message)}\n`)
  else if (message.type === 'exited') unheard.push(message)
}

const tellPeers = () => tell({ type: 'peers', keeper: process.pid, watcher: peer?.pid ?? null })

function startSupervisor(): void {
  const log = openLog('supervisor')
  const { command, args } = processCommand('supervisor')
  const child = spawn(command, args, { env: environment(), stdio: ['ignore', log, log] })
  closeSync(log)
  supervisorProcess = child
  supervisorBeat = Date.now() + 10_000
  child.on('error', (error) => note(`the supervisor could not be started: ${error.message}`))
  child.on('exit', (code, by) => {
    if (supervisorProcess !== child || ending) return
    supervisorProcess = undefined
    // An earlier one lives on: this one was one too many.
    if (supervisor?.writable) return
    note(`the supervisor ended (${by ?? `code ${code}`}) and is started again`)
    setTimeout(startSupervisor, Date.now() - startedAt < 1_000 ? 500 : 0)
  })
  const startedAt = Date.now()
}

function start({
  process: name,
  command,
  args,
  env,
  uid,
  gid,
  log: logName,
  sockets,
  key,
}: ToKeeper & { op: 'spawn' }): void {
  const log = openLog(logName)
  const handed = sockets ? fds : []
  const withKey = key && keyFd !== undefined
  const child = spawn(command, [...args], {
    env: {
      ...(env ?? environment()),
      KINTSUGI_PROCESS: name,
      ...(withKey ? { KINTSUGI_KEY_FD: String(FIRST_SOCKET_FD + handed.length) } : {}),
    },
    stdio: ['ignore', log, log, 'ignore', ...handed, ...(withKey ? [keyFd as number] : [])],
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  })
  closeSync(log)
  child.on('error', (error) => {
    note(`${name} could not be started: ${error.message}`)
    if (child.pid === undefined) tell({ type: 'exited', process: name, code: 127, signal: null })
  })
  if (child.pid === undefined) return
  children.set(name, child)
  tell({ type: 'spawned', process: name, pid: child.pid })
  child.on('exit', (code, by) => {
    children.delete(name)
    tell({ type: 'exited', process: name, code, signal: by })
  })
}

function serveSupervisor(): void {
  const path = socketPath(dataFolder, 'keeper')
  if (process.platform !== 'win32') rmSync(path, { force: true })
  const server = createServer((socket) => {
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy())
    if (supervisor?.writable) {
      socket.end(`${JSON.stringify({ type: 'superfluous' } satisfies FromKeeper)}\n`)
      return
    }
    supervisor = socket
    supervisorBeat = Date.now()
    tell({
      type: 'children',
      children: [...children].map(([name, child]) => ({ process: name, pid: child.pid as number })),
    })
    tellPeers()
    const late = unheard
    unheard = []
    for (const message of late) tell(message)
    socket.on('close', () => {
      if (supervisor !== socket) return
      supervisor = undefined
      // One that is not our child tells of its end by hanging up.
      if (supervisorProcess === undefined)
        setTimeout(() => supervisor || ending || supervisorProcess || startSupervisor(), 20)
    })
    socket.on(
      'data',
      jsonLines<ToKeeper>((message) => {
        supervisorBeat = Date.now()
        if (message.op === 'spawn') start(message)
        else if (message.op === 'end') end()
      }) as unknown as (chunk: Buffer) => void,
    )
  })
  server.listen(path)
  let last = Date.now()
  setInterval(() => {
    const now = Date.now()
    const lagMs = Math.max(0, now - last - BEAT_MS)
    last = now
    if (!supervisorProcess?.pid || now - supervisorBeat <= HEARTBEAT_DEADLINE_MS + lagMs) return
    supervisorBeat = now + 10_000
    note('the supervisor hangs and is ended')
    signal(supervisorProcess.pid, 'SIGKILL')
  }, BEAT_MS)
}

/** The last one goes when the other has: the socket's file, which goes with it, says that nobody is left. */
function end(): void {
  ending = true
  const bye = () => {
    if (process.platform !== 'win32') rmSync(socketPath(dataFolder, 'keeper'), { force: true })
    process.exit(0)
  }
  const gone = setInterval(() => peer === undefined && bye(), 5)
  setTimeout(bye, PEER_END_MS)
  peer?.send({ type: 'end' })
  gone.ref()
}

function main(): void {
  process.on('SIGINT', () => undefined)
  process.on('SIGHUP', () => undefined)
  if (inherited) {
    fds = services.map((_, index) => FIRST_SOCKET_FD + index)
    if (keyFd !== undefined) keyFd = FIRST_SOCKET_FD + fds.length
  } else bind()
  if (role === 'watcher') {
    process.on('SIGTERM', () => undefined)
    meetPeer()
    return
  }
  serveSupervisor()
  process.on('SIGTERM', () => supervisorProcess?.kill('SIGTERM'))
  if (inherited) {
    note('this keeper took over from one that ended')
    setTimeout(() => supervisor || supervisorProcess || startSupervisor(), SUPERVISOR_PATIENCE_MS)
  } else {
    startSupervisor()
    process.send?.({ type: 'bound' } satisfies KeeperMessage)
  }
  if (!inherited && process.send) process.disconnect()
  meetPeer()
}

try {
  main()
} catch (error) {
  console.error(messageOf(error))
  process.send?.({ type: 'failed', error: toErrorReport(error) } satisfies KeeperMessage, () =>
    process.exit(1),
  )
  if (!process.connected) process.exit(1)
}
