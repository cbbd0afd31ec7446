/** Metrics as they are shown: samples, what processes use, and the machine. */
import * as z from 'zod'
import type { CallSummary, ProcessUsage, ServiceSample } from '../engine/operations/metrics-query.ts'
import { rounded } from '../mcp/fields.ts'
import type { HostResources, Sample } from '../ports/metrics.ts'
import { view } from './view.ts'

const residentBytes = () => z.int().describe('resident memory, in bytes')
const cpuSeconds = () => z.number().describe('processor time since the start of the process')
/** Counters need all of their digits. */
const DIGITS = 12

/** One sample of a metric. */
export const sample = view(
  z.object({
    name: z.string(),
    labels: z.record(z.string(), z.string()),
    value: z.number().describe('in the unit that the name of the metric ends with'),
  }),
  ({ name, labels, value }: Sample) => ({ name, labels, value: rounded(value, DIGITS) }),
)

/** One sample of a metric, with its service. */
export const serviceSample = view(
  z.object({ service: z.string(), ...sample.schema.shape }),
  (each: ServiceSample) => ({ service: each.service, ...sample.of(each) }),
)

/** The tool calls of a service since its start. */
export const callTotals = view(
  z.object({
    calls: z.int(),
    errors: z.int().describe('calls that failed'),
    meanMs: z.number().nullable().describe('mean duration; null without a call'),
  }),
  ({ meanMs, ...counts }: CallSummary) => ({
    ...counts,
    meanMs: meanMs === null ? null : rounded(meanMs, 4),
  }),
)

/** A process of the fleet, and what it uses. */
export const processUsage = view(
  z.object({
    pid: z.int(),
    cell: z.string(),
    services: z.array(z.string()).describe('ids of the services in it'),
    residentBytes: residentBytes(),
    cpuSeconds: cpuSeconds(),
  }),
  ({ cpuSeconds: used, ...usage }: ProcessUsage) => ({ ...usage, cpuSeconds: rounded(used) }),
)

/** What the process of one service uses. */
export const ownUsage = view(
  z.object({ pid: z.int(), residentBytes: residentBytes(), cpuSeconds: cpuSeconds() }),
  (pid: number, usage: Pick<ProcessUsage, 'residentBytes' | 'cpuSeconds'>) => ({
    pid,
    residentBytes: usage.residentBytes,
    cpuSeconds: rounded(usage.cpuSeconds),
  }),
)

/** The machine. */
export const hostResources = view(
  z.object({
    cpuCount: z.int(),
    loadAverage: z.array(z.number()).describe('processes that run or wait, over 1, 5 and 15 minutes'),
    memoryTotal: z.int().describe('bytes'),
    memoryAvailable: z.int().describe('bytes'),
    memoryUsedPercent: z.number(),
    uptimeSeconds: z.number(),
  }),
  (host: HostResources) => ({
    cpuCount: host.cpuCount,
    loadAverage: host.loadAverage.map((load) => rounded(load, 4)),
    memoryTotal: host.memoryTotal,
    memoryAvailable: host.memoryAvailable,
    memoryUsedPercent: rounded(100 * (1 - host.memoryAvailable / host.memoryTotal), 4),
    uptimeSeconds: Math.round(host.uptimeSeconds),
  }),
)
