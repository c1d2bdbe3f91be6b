/* Winnow's beacon: impressions that were seen, clicks and dwell on lists of recommendations. docs/beacon.md */
(() => {
  'use strict'
  const { key, user, host } = document.currentScript.dataset
  const address = new URL('/v1/b', host || document.currentScript.src).href
  const QUEUE = 'winnow.queue', DEVICE = 'winnow.device'
  const SEEN_SHARE = 0.5, SEEN_MS = 1000, EVERY_MS = 5000, MOST_QUEUED = 500, MOST_SENT = 50
  const memory = {} // where the browser keeps nothing for this page

  const read = (name) => { try { return localStorage.getItem(name) } catch { return memory[name] || null } }
  const write = (name, value) => { try { localStorage.setItem(name, value) } catch { memory[name] = value } }
  const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const queued = () => { try { return JSON.parse(read(QUEUE)) || [] } catch { return [] } }
  if (!read(DEVICE)) write(DEVICE, newId())
  let userId = user

  const track = (event, properties = {}) => {
    const message = { type: 'track', event, properties, messageId: newId(), anonymousId: read(DEVICE), timestamp: new Date().toISOString() }
    if (userId) message.userId = userId
    write(QUEUE, JSON.stringify([...queued(), message].slice(-MOST_QUEUED)))
  }
  const body = (batch) => JSON.stringify({ batch, writeKey: key, sentAt: new Date().toISOString() })

  // Only an answer takes a message from the queue: what is sent twice has the same id and counts once.
  let sending = false
  const send = async () => {
    const batch = queued().slice(0, MOST_SENT)
    if (sending || !batch.length) return
    sending = true
    try {
      const { status } = await fetch(address, { method: 'POST', body: body(batch), keepalive: true, credentials: 'omit' })
      if (status < 500 && status !== 408 && status !== 429) {
        const done = new Set(batch.map((message) => message.messageId))
        write(QUEUE, JSON.stringify(queued().filter((message) => !done.has(message.messageId))))
      }
    } catch { /* offline: the next attempt takes them along */ } finally { sending = false }
  }
  const leave = () => {
    for (const list of dwelling.keys()) rest(list)
    const batch = queued().slice(-MOST_SENT)
    if (batch.length) navigator.sendBeacon(address, body(batch))
  }

  const said = (element) => {
    const list = element.closest('[data-winnow-ranking]')
    const { winnowRanking, winnowCampaign, winnowExperiment, winnowArm } = list ? list.dataset : {}
    const { winnowItem, winnowPosition } = element.dataset
    const position = winnowPosition === undefined ? undefined : Number(winnowPosition)
    return { ranking_id: winnowRanking, campaign_id: winnowCampaign, experiment: winnowExperiment, arm: winnowArm, item_id: winnowItem, position }
  }

  const timers = new Map(), seen = new WeakSet()
  const items = new IntersectionObserver((entries) => {
    for (const { target, intersectionRatio } of entries) {
      clearTimeout(timers.get(target))
      if (intersectionRatio < SEEN_SHARE) continue
      timers.set(target, setTimeout(() => {
        if (document.visibilityState !== 'visible') return
        items.unobserve(target)
        seen.add(target)
        track('Promotion Viewed', said(target))
      }, SEEN_MS))
    }
  }, { threshold: SEEN_SHARE })

  const dwelling = new Map() // list → since when it is in view
  const rest = (list) => {
    const seconds = Math.round((performance.now() - dwelling.get(list)) / 100) / 10
    dwelling.delete(list)
    if (seconds >= 1) track('Recommendation Dwelt', { ...said(list), seconds })
  }
  const lists = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) dwelling.set(target, performance.now())
      else if (dwelling.has(target)) rest(target)
    }
  })

  const watched = [['[data-winnow-item]', items, new WeakSet()], ['[data-winnow-ranking]', lists, new WeakSet()]]
  const look = () => {
    for (const [selector, observer, known] of watched) {
      for (const element of document.querySelectorAll(selector)) {
        if (!known.has(element)) { known.add(element); observer.observe(element) }
      }
    }
  }
  const lookAgain = () => { // an observer that is asked anew says what is in view now
    for (const [selector, observer] of watched) {
      for (const element of document.querySelectorAll(selector)) {
        if (!seen.has(element)) { observer.unobserve(element); observer.observe(element) }
      }
    }
  }
  look()
  new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true })
  document.addEventListener('click', (click) => {
    const item = click.target instanceof Element && click.target.closest('[data-winnow-item]')
    if (item) { track('Promotion Clicked', said(item)); send() }
  }, true)
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' ? leave() : lookAgain())
  addEventListener('pagehide', leave)
  addEventListener('online', send)
  setInterval(send, EVERY_MS)
  send()
  window.winnow = { track, identify: (id) => { userId = id; track('Identified') }, flush: send }
})()
