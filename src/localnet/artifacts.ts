/** Bytecode: the deployed one from the npm packages that publish it, ours from contracts/artifacts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Abi, Hex } from 'viem'
import { KintsugiError } from '../std/errors.ts'
import { packageFolder, packageRoot } from '../std/package-root.ts'

export interface Artifact {
  abi: Abi
  bytecode: Hex
}

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
/** A file of an installed package. */
function fileOf(name: string, path: string): string {
  const folder = packageFolder(name)
  if (!folder)
    throw new KintsugiError('binary-missing', `the package ${name} is not installed`, {
      hint: 'run `npm ci`',
    })
  return join(folder, path)
}
const hex = (text: string): Hex => (text.startsWith('0x') ? (text as Hex) : `0x${text}`)

/** Links library addresses into bytecode with Hardhat's link references. */
function link(
  bytecode: string,
  references: Record<string, Record<string, { start: number; length: number }[]>>,
  libraries: Record<string, string>,
): Hex {
  let code = bytecode.replace(/^0x/, '')
  for (const file of Object.values(references)) {
    for (const [name, places] of Object.entries(file)) {
      const address = libraries[name]
      if (!address) throw new KintsugiError('deployment-failed', `library ${name} has no address`)
      for (const { start, length } of places)
        code = code.slice(0, start * 2) + address.slice(2) + code.slice((start + length) * 2)
    }
  }
  return hex(code)
}

export const own = (
  name: 'KintsugiExecutor' | 'LocalToken' | 'LocalTrader' | 'MarketReader',
): Artifact & { deployedBytecode: Hex } => read(join(packageRoot(), 'contracts/artifacts', `${name}.json`))

export function uniswapV2(name: 'UniswapV2Factory' | 'UniswapV2Pair'): Artifact {
  const artifact = read(fileOf('@uniswap/v2-core', `build/${name}.json`))
  return { abi: artifact.abi, bytecode: hex(artifact.evm.bytecode.object) }
}

export const uniswapV3 = (name: 'UniswapV3Factory' | 'UniswapV3Pool'): Artifact =>
  read(fileOf('@uniswap/v3-core', `artifacts/contracts/${name}.sol/${name}.json`))

export const algebra = (name: 'AlgebraFactory' | 'AlgebraPool' | 'AlgebraPoolDeployer'): Artifact =>
  read(fileOf('@cryptoalgebra/integral-core', `artifacts/contracts/${name}.sol/${name}.json`))

/** The factory of plugins that set an Algebra pool's fee by its volatility. */
export const algebraPlugins = (): Artifact =>
  read(
    fileOf(
      '@cryptoalgebra/integral-base-plugin',
      'artifacts/contracts/BasePluginV1Factory.sol/BasePluginV1Factory.json',
    ),
  )

export function uniswapV4(name: 'PoolManager'): Artifact {
  const artifact = read(fileOf('@uniswap/v4-core', `out/${name}.sol/${name}.json`))
  return { abi: artifact.abi, bytecode: hex(artifact.bytecode.object) }
}

/** An Aave artifact by its path below `contracts/`, linked. */
export function aave(path: string, libraries: Record<string, string> = {}): Artifact {
  const name = path.split('/').at(-1) as string
  const artifact = read(fileOf('@aave/core-v3', `artifacts/contracts/${path}.sol/${name}.json`))
  return { abi: artifact.abi, bytecode: link(artifact.bytecode, artifact.linkReferences, libraries) }
}

export function balancer(task: string, name: string): Artifact {
  const folder = fileOf('@balancer-labs/v2-deployments', join('dist/tasks', task))
  return {
    abi: read(join(folder, 'abi', `${name}.json`)),
    bytecode: hex(read(join(folder, 'bytecode', `${name}.json`)).creationCode),
  }
}

export function weth9(): Artifact & { deployedBytecode: Hex } {
  return read(fileOf('canonical-weth', 'build/contracts/WETH9.json'))
}

/** viem carries Multicall3's creation code but does not export it. */
export async function multicall3(): Promise<Hex> {
  const path = fileOf('viem', '_esm/constants/contracts.js')
  return (await import(pathToFileURL(path).href)).multicall3Bytecode
}
