/** Records of the fleet itself in PostgreSQL: tasks, incidents, settings. */
import { type IncidentRecord, storedKind } from '../../fleet/incidents.ts'
import type { Ledger, Task } from '../../ports/ledger.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import type { LedgerConnection, Row } from './connection.ts'

type FleetLedger = Pick<
  Ledger,
  | 'saveTask'
  | 'task'
  | 'tasks'
  | 'countTasks'
  | 'recordIncident'
  | 'incidents'
  | 'countIncidents'
  | 'setting'
  | 'saveSetting'
>

const TASKS_MATCHING = '($1::text is null or status = $1)'
const INCIDENTS_MATCHING = 'at >= $1 and ($2::text is null or $2 = any(services))'

export function fleetLedger(connection: LedgerConnection): FleetLedger {
  return {
    saveTask: async (task) => {
      await connection.query(
        'insert into tasks values ($1, $2, $3, $4, $5) on conflict (id) do update set status = excluded.status, record = excluded.record',
        [task.id, task.status, task.priority, encodeJson(task), new Date(task.createdAt)],
      )
    },

    task: async (id) => {
      const [row] = await connection.query('select record from tasks where id = $1', [id])
      return row && decodeJson<Task>(row.record as string)
    },

    tasks: async ({ limit, offset = 0, status }) => {
      const rows = await connection.query(
        `select record from tasks where ${TASKS_MATCHING} order by created_at desc limit $2 offset $3`,
        [status ?? null, limit, offset],
      )
      return rows.map((row) => decodeJson<Task>(row.record as string))
    },

    countTasks: ({ status }) =>
      connection.count(`select count(*) from tasks where ${TASKS_MATCHING}`, [status ?? null]),

    recordIncident: async ({ unit, services, kind, detail, action, at, durationMs }) => {
      await connection.query(
        'insert into incidents (unit, services, kind, detail, action, at, duration_ms) values ($1, $2, $3, $4, $5, $6, $7)',
        [unit, services, kind, detail, action, new Date(at), durationMs],
      )
    },

    incidents: async ({ since, limit, service }) => {
      const rows = await connection.query(
        `select unit, services, kind, detail, action, extract(epoch from at) * 1000 as at, duration_ms from incidents
         where ${INCIDENTS_MATCHING} order by incidents.at desc, id desc limit $3`,
        [new Date(since), service ?? null, limit],
      )
      return rows.map(incidentOf).reverse()
    },

    countIncidents: ({ since, service }) =>
      connection.count(`select count(*) from incidents where ${INCIDENTS_MATCHING}`, [
        new Date(since),
        service ?? null,
      ]),

    setting: async <T>(key: string) => {
      const [row] = await connection.query('select value from settings where key = $1', [key])
      return row && decodeJson<T>(row.value as string)
    },

    saveSetting: async (key, value) => {
      await connection.query(
        'insert into settings (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value, changed_at = now()',
        [key, encodeJson(value)],
      )
    },
  }
}

const incidentOf = (row: Row): IncidentRecord => ({
  unit: row.unit as string,
  services: row.services as string[],
  kind: storedKind(row.kind as string, row.detail as string),
  detail: row.detail as string,
  action: row.action as string,
  at: Number(row.at),
  durationMs: row.duration_ms as number | null,
})
