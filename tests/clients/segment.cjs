// Sends one message of each call with Segment's client for Node; prints the ids that it could not deliver.
// node segment.cjs CLIENTS URL KEY PREFIX
const { createRequire } = require('node:module')
const [clients, host, writeKey, prefix] = process.argv.slice(2)
const { Analytics } = createRequire(`${clients}/`)('@segment/analytics-node')

const analytics = new Analytics({ host, writeKey, flushAt: 4, flushInterval: 200, maxRetries: 8 })
const failed = []
const note = (error, ctx) => { if (error) failed.push(ctx.event.messageId) }
const who = { userId: 'ann', anonymousId: 'device-1' }
const id = (call) => ({ messageId: `${prefix}-${call}` })

analytics.track({ ...who, event: 'Promotion Clicked', properties: { campaign_id: 'c1' }, ...id('track') }, note)
analytics.identify({ ...who, traits: { tier: 'gold' }, ...id('identify') }, note)
analytics.page({ ...who, name: 'Home', properties: { path: '/' }, ...id('page') }, note)
analytics.screen({ ...who, name: 'Cart', ...id('screen') }, note)
analytics.group({ ...who, groupId: 'g1', traits: { size: 3 }, ...id('group') }, note)
analytics.alias({ userId: 'ann', previousId: 'device-1', ...id('alias') }, note)
analytics.on('error', (error) => failed.push(String(error.reason ?? error)))
analytics.closeAndFlush({ timeout: 20000 }).then(() => console.log(JSON.stringify(failed)))
