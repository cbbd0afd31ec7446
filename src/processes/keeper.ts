/**
 * The keeper and its watcher, one small program in two roles. The keeper binds the ports once, starts
 * processes and passes the listening sockets to them. The supervisor makes all decisions; the keeper restarts
 * it if it dies or hangs. The watcher holds the same sockets and does nothing else. Keeper and watcher
 * restart each other.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, rmSync } from 'node:fs'
import net, { createServer, type Socket } from 'node:net'
import { Heartbeats } from '../fleet/healing/heartbeat.ts'
import { messageOf, toErrorReport } from '../std/errors.ts'
import { FIRST_SOCKET_FD, type FromKeeper, jsonLines, type ToKeeper } from '../supervisor/links/protocol.ts'
import { threadFacts } from '../supervisor/thread-facts.ts'
import { logFile } from './logs/json-log.ts'
import { standardOutputLog } from './logs/standard-output-log.ts'
import { processCommand } from './run/command.ts'
import { ignoreOutputErrors } from './run/ignore-output-errors.ts'
import { portsTaken, type TakenPort } from './run/port-owner.ts'
import { files, readPlan, socketPath } from './run/run-plan.ts'

/** The keeper's report to the command line that started it. */
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
const PEER_END_MS = 3_000
/**
 * A supervisor that outlived the previous keeper reconnects within this time; otherwise a new one is started.
 */
const SUPERVISOR_PATIENCE_MS = 400

const services = Object.keys(plan.ports)
const log = standardOutputLog('keeper', plan.settings.logLevel, role)
let keyFd = process.env.KINTSUGI_KEY_FD === undefined ? undefined : Number(process.env.KINTSUGI_KEY_FD)
let fds: number[] = []
let ending = false

/** The environment for other processes: that of the keeper, without the keeper's own variables. */
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

/** Binds the ports of all services. Throws `port-taken`, which names every port that is not free. */
function bind(): void {
  const BoundSocket = (
    net as unknown as { BoundSocket: new (options: { host: string; port: number }) => BoundSocket }
  ).BoundSocket
  const taken: TakenPort[] = []
  const bound: BoundSocket[] = []
  const attempt = (host: string, port: number, name: string): BoundSocket | undefined => {
    try {
      return new BoundSocket({ host, port })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error
      taken.push({ port, name: code === 'EACCES' ? `${name}, not permitted for this user` : name })
      return undefined
    }
  }
  for (const service of services) {
    const socket = attempt(plan.settings.bindHost, plan.ports[service] as number, service)
    if (socket) bound.push(socket)
  }
  // Other processes bind these later: a conflict is reported now.
  if (!plan.external.database) attempt('127.0.0.1', plan.databasePort, 'embedded PostgreSQL')?.close()
  // A chain that outlived an earlier fleet is adopted.
  if (plan.mode === 'local' && !existsSync(paths.chainPid))
    attempt('127.0.0.1', plan.chainPort, 'embedded chain')?.close()
  if (taken.length > 0) throw portsTaken(taken)
  fds = bound.map((socket) => socket.fd())
  held.push(...bound)
}
/** Referenced so that the sockets are not closed by garbage collection. */
const held: BoundSocket[] = []

function openLog(name: string): number {
  return openSync(logFile(paths.logs, name), 'a', 0o600)
}

// Keeper and watcher: each holds a channel to the other, and restarts the other when the channel closes.

/** Signs of life of the other one (`peer`), and of the supervisor. */
const heartbeats = new Heartbeats({
  now: () => performance.now(),
  factsOf: (name) => {
    const pid = name === 'peer' ? peer?.pid : supervisorProcess?.pid
    return pid === undefined ? undefined : threadFacts(pid)
  },
})

/** Looks at the signs of life of a process again and again; `onHung` is called when they are overdue. */
function watchHeartbeats(name: 'peer' | 'supervisor', onHung: () => void): void {
  let dueAt = performance.now() + BEAT_MS
  setInterval(() => {
    const now = performance.now()
    heartbeats.late(Math.max(0, now - dueAt))
    dueAt = now + BEAT_MS
    if (!heartbeats.overdue(name)) return
    // What arrived until now is received before an immediate runs.
    setImmediate(() => {
      if (!heartbeats.overdue(name)) return
      heartbeats.begin(name)
      onHung()
    })
  }, BEAT_MS)
}

let peer: { send(message: PeerMessage): void; pid: number } | undefined

function startPeer(): void {
  const output = openLog('keeper')
  const { command, args } = processCommand('keeper')
  const env = environment({
    KINTSUGI_ROLE: role === 'keeper' ? 'watcher' : 'keeper',
    KINTSUGI_INHERITED: '1',
    ...(keyFd === undefined ? {} : { KINTSUGI_KEY_FD: String(FIRST_SOCKET_FD + fds.length) }),
  })
  const child = spawn(command, args, {
    env,
    detached: true,
    stdio: ['ignore', output, output, 'ipc', ...fds, ...(keyFd === undefined ? [] : [keyFd])],
  })
  closeSync(output)
  peer = { send: (message) => child.connected && child.send(message), pid: child.pid as number }
  heartbeats.begin('peer')
  if (role === 'keeper') reportPeers()
  child.on('message', receiveFromPeer)
  child.on('error', () => undefined)
  child.on('exit', () => {
    peer = undefined
    if (!ending) startPeer()
  })
}

function receiveFromPeer(message: PeerMessage): void {
  heartbeats.heard('peer')
  if (message.type === 'end') process.exit(0)
}

function connectPeer(): void {
  if (inherited && process.send) {
    const parent = process.ppid
    peer = { send: (message) => process.connected && process.send?.(message), pid: parent }
    heartbeats.begin('peer')
    process.on('message', receiveFromPeer)
    process.on('disconnect', () => {
      peer = undefined
      if (!ending) startPeer()
    })
  } else startPeer()
  setInterval(() => peer?.send({ type: 'beat' }), BEAT_MS)
  watchHeartbeats('peer', () => {
    if (!peer) return
    log.warn({}, `the ${role === 'keeper' ? 'watcher' : 'keeper'} hangs; killed`)
    signal(peer.pid, 'SIGKILL')
  })
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // The process has exited already.
  }
}

// The keeper's role.

const children = new Map<string, ChildProcess>()
/** Exits that were not reported to a supervisor yet. */
let unreported: FromKeeper[] = []
let supervisor: Socket | undefined
let supervisorProcess: ChildProcess | undefined

/**
 * Each process is a session of its own. Linux shares the CPU among sessions first: beside busy programs, the
 * gateway and the supervisor do not wait for the other processes of the fleet.
 */
const OWN_SESSION = { detached: process.platform !== 'win32' }

function report(message: FromKeeper): void {
  if (supervisor?.writable) supervisor.write(`${JSON.stringify(message)}\n`)
  else if (message.type === 'exited') unreported.push(message)
}

const reportPeers = () => report({ type: 'peers', keeper: process.pid, watcher: peer?.pid ?? null })

function startSupervisor(): void {
  const output = openLog('supervisor')
  const { command, args } = processCommand('supervisor')
  const child = spawn(command, args, {
    env: environment(),
    stdio: ['ignore', output, output],
    ...OWN_SESSION,
  })
  closeSync(output)
  supervisorProcess = child
  heartbeats.begin('supervisor')
  child.on('error', (error) => log.error({}, `cannot start the supervisor: ${error.message}`))
  child.on('exit', (code, by) => {
    if (supervisorProcess !== child) return
    supervisorProcess = undefined
    if (ending) return
    // An earlier supervisor is connected: this one was superfluous.
    if (supervisor?.writable) return
    log.warn({}, `the supervisor exited (${by ?? `code ${code}`}); restarting it`)
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
  const output = openLog(logName)
  const handed = sockets ? fds : []
  const withKey = key && keyFd !== undefined
  const child = spawn(command, [...args], {
    env: {
      ...(env ?? environment()),
      KINTSUGI_PROCESS: name,
      ...(withKey ? { KINTSUGI_KEY_FD: String(FIRST_SOCKET_FD + handed.length) } : {}),
    },
    stdio: ['ignore', output, output, 'ignore', ...handed, ...(withKey ? [keyFd as number] : [])],
    ...OWN_SESSION,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  })
  closeSync(output)
  child.on('error', (error) => {
    log.error({}, `cannot start ${name}: ${error.message}`)
    if (child.pid === undefined) report({ type: 'exited', process: name, code: 127, signal: null })
  })
  if (child.pid === undefined) return
  children.set(name, child)
  report({ type: 'spawned', process: name, pid: child.pid })
  child.on('exit', (code, by) => {
    children.delete(name)
    report({ type: 'exited', process: name, code, signal: by })
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
    heartbeats.heard('supervisor')
    report({
      type: 'children',
      children: [...children].map(([name, child]) => ({ process: name, pid: child.pid as number })),
    })
    reportPeers()
    const missed = unreported
    unreported = []
    for (const message of missed) report(message)
    socket.on('close', () => {
      if (supervisor !== socket) return
      supervisor = undefined
      // A supervisor that is no child of this keeper closes its connection when it exits.
      if (supervisorProcess === undefined)
        setTimeout(() => supervisor || ending || supervisorProcess || startSupervisor(), 20)
    })
    socket.on(
      'data',
      jsonLines<ToKeeper>((message) => {
        heartbeats.heard('supervisor')
        if (message.op === 'spawn') start(message)
        else if (message.op === 'end') end()
      }) as unknown as (chunk: Buffer) => void,
    )
  })
  server.listen(path)
  watchHeartbeats('supervisor', () => {
    if (!supervisorProcess?.pid) return
    log.warn({}, 'the supervisor hangs; killed')
    signal(supervisorProcess.pid, 'SIGKILL')
  })
}

/**
 * Exits after the watcher and the supervisor. Its socket is closed by the exit itself: once it refuses
 * connections, no process of the fleet is left. The next keeper replaces the socket's file.
 */
function end(): void {
  ending = true
  const exit = () => process.exit(0)
  const alone = () => peer === undefined && supervisor === undefined && supervisorProcess === undefined
  const gone = setInterval(() => alone() && exit(), 5)
  setTimeout(exit, PEER_END_MS)
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
    connectPeer()
    return
  }
  serveSupervisor()
  process.on('SIGTERM', () => supervisorProcess?.kill('SIGTERM'))
  if (inherited) {
    log.info({}, 'this keeper replaces one that exited')
    setTimeout(() => supervisor || supervisorProcess || startSupervisor(), SUPERVISOR_PATIENCE_MS)
  } else {
    startSupervisor()
    process.send?.({ type: 'bound' } satisfies KeeperMessage)
  }
  if (!inherited && process.send) process.disconnect()
  connectPeer()
}

try {
  main()
} catch (error) {
  log.error({}, messageOf(error))
  process.send?.({ type: 'failed', error: toErrorReport(error) } satisfies KeeperMessage, () =>
    process.exit(1),
  )
  if (!process.connected) process.exit(1)
}
