import type { Parameters } from 'fast-check'

/** Runs and seed of property tests, from FC_RUNS and FC_SEED: a long soak, or the replay of a failure. */
export function runs(usual: number): Parameters<unknown> {
  const { FC_RUNS, FC_SEED } = process.env
  return {
    numRuns: FC_RUNS === undefined ? usual : Number(FC_RUNS),
    ...(FC_SEED === undefined ? {} : { seed: Number(FC_SEED) }),
  }
}
