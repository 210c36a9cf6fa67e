import type { BannerStatus } from '../banner.ts'
import type { Click } from '../click.ts'
import type { Clock } from '../clock.ts'
import { AppError } from '../errors.ts'
import type { ClickSink } from '../log/click-log.ts'
import type { BannerRegistry } from '../registry/banner-registry.ts'

export interface CollectorParts {
  readonly registry: Pick<BannerRegistry, 'statusOf'>
  readonly sink: ClickSink
  readonly clock: Clock
}

/**
 * Takes a click in: resolves once it is durable, and only then. Whatever it throws or rejects with
 * was refused. Not async: a chain of promises costs as much as all the rest of a click.
 */
export function collect(
  parts: CollectorParts,
  bannerId: number,
  key: string | undefined,
): Promise<void> {
  const known = parts.registry.statusOf(bannerId)
  // Before a look-up, which may take long: the receipt is what counts.
  const at = parts.clock.now()
  const click: Click = { bannerId, tally: 'click', at, ...(key !== undefined && { key }) }
  if (known instanceof Promise) return known.then((status) => append(parts, click, status))
  return append(parts, click, known)
}

function append(
  { sink }: CollectorParts,
  click: Click,
  status: BannerStatus | undefined,
): Promise<void> {
  checkClickable(click.bannerId, status)
  return sink.append(click)
}

/** What `collect` would throw now, without counting: the answer to HEAD. */
export async function check({ registry, sink }: CollectorParts, bannerId: number): Promise<void> {
  checkClickable(bannerId, await registry.statusOf(bannerId))
  const { trouble } = sink.state()
  if (trouble !== undefined) {
    throw new AppError('store_unavailable', 'Clicks cannot be stored at the moment.')
  }
}

function checkClickable(bannerId: number, status: BannerStatus | undefined): void {
  switch (status) {
    case 'active':
      return
    case 'paused':
      throw new AppError('banner_paused', `Banner ${bannerId} is paused.`)
    case 'archived':
      throw new AppError('banner_archived', `Banner ${bannerId} is archived.`)
    case undefined:
      throw new AppError('banner_not_found', `There is no banner ${bannerId}.`)
  }
}
