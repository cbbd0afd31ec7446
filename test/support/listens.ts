/** Whether a server of the machine runs, for tests that need it. */
import { connect } from 'node:net'

/** Resolves to whether something accepts connections at the host and port of `url`. */
export const listens = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
      .on('connect', () => resolve(true))
      .on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
