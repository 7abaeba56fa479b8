/*
 * From the phone's own thread to coroutines: everything that a phone's events lead to.
 *
 * Owns: the events on their way, the streams, the handlers, the calls by handle. Lives on: `Dispatchers.Default`, one turn at a
 * time, save `push`, which the phone's thread calls and which never waits. Must not import: the generated phone.
 */
package org.ewebrtc

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import org.ewebrtc.ffi.EventListener
import java.lang.ref.WeakReference
import java.util.concurrent.CopyOnWriteArrayList
import kotlin.coroutines.EmptyCoroutineContext
import org.ewebrtc.ffi.Event as NativeEvent

/** What the library calls. It refers to the hub weakly: a phone that nobody holds can be collected. */
internal class Listener(hub: Hub) : EventListener {
    private val hub = WeakReference(hub)

    override fun onEvent(event: NativeEvent) {
        hub.get()?.push(event)
    }
}

internal class Hub {
    /** Makes the object of a call; set before the first event. */
    lateinit var makeCall: (Long) -> Call

    /** The last event was delivered. */
    val ended = CompletableDeferred<Unit>()

    /** How many events were left out because no turn came for so long. */
    @Volatile
    var missed = 0L
        private set

    private val lock = Any()
    private val pending = ArrayDeque<NativeEvent>()
    private var scheduled = false
    private var finishing = false
    private val calls = LinkedHashMap<Long, Call>()
    private val streams = CopyOnWriteArrayList<WeakReference<Events>>()
    private val handlers = CopyOnWriteArrayList<Subscription>()
    private val dispatcher = Dispatchers.Default.limitedParallelism(1)

    /** Takes an event. Called on the phone's own thread. */
    fun push(event: NativeEvent) = synchronized(lock) {
        if (pending.size >= BACKLOG && event.name != LAST) {
            missed++
        } else {
            pending.addLast(event)
            schedule()
        }
    }

    /** Nothing comes any more: ends, when what has come is delivered, what waits for events. */
    fun finish() = synchronized(lock) {
        finishing = true
        schedule()
    }

    private fun schedule() {
        if (!scheduled && (pending.isNotEmpty() || finishing && !ended.isCompleted)) {
            scheduled = true
            dispatcher.dispatch(EmptyCoroutineContext) { turn() }
        }
    }

    private fun turn() {
        try {
            repeat(TURN) {
                val event = synchronized(lock) { pending.removeFirstOrNull() }
                if (event == null) {
                    if (synchronized(lock) { finishing && pending.isEmpty() }) end()
                    return
                }
                dispatch(event)
            }
        } finally {
            synchronized(lock) {
                scheduled = false
                schedule()
            }
        }
    }

    private fun dispatch(raw: NativeEvent) {
        val call = (raw.call ?: raw.conference)?.let { call(it.toLong(), known = true) }
        val event = Event(raw, call)
        call?.note(event)
        for (stream in streams) {
            val there = stream.get()
            if (there == null) streams.remove(stream) else there.queue.put(event)
        }
        for (handler in handlers) handler.queue.put(event)
        if (event.name == LAST) end()
    }

    private fun end() {
        val all = synchronized(lock) {
            if (!ended.complete(Unit)) return
            calls.values.toList()
        }
        for (call in all) call.over()
        for (stream in streams) stream.get()?.queue?.channel?.close()
        for (handler in handlers) handler.queue.channel.close()
    }

    /**
     * The call with this handle, always the same object. One that is not `known` to be or have been is kept only when it lives,
     * since anybody may ask for any number.
     */
    fun call(handle: Long, known: Boolean): Call = synchronized(lock) {
        val found = calls[handle] ?: makeCall(handle).also { made ->
            if (known || made.state != null) {
                val over = calls.values.filter { it.isOver }
                over.take(maxOf(0, over.size - ENDED_CALLS)).forEach { calls.remove(it.handle) }
                calls[handle] = made
            }
            if (ended.isCompleted) made.over()
        }
        if (known) found.seen = true
        found
    }

    /** From now on the stream gets events, as long as somebody holds it. */
    fun add(stream: Events) {
        streams.add(WeakReference(stream))
        if (ended.isCompleted) stream.queue.channel.close()
    }

    /** From now on the handler gets events. */
    fun add(handler: Subscription) {
        handlers.add(handler)
        handler.job.invokeOnCompletion { handlers.remove(handler) }
        if (ended.isCompleted) handler.queue.channel.close()
    }

    /** The handler gets no events any more. False: it got none before. */
    fun remove(handler: Subscription): Boolean = handlers.remove(handler)

    /** Waits until the handlers have done all that came, except the one that asks. */
    suspend fun handled(except: Subscription?) {
        for (handler in handlers) if (handler !== except) handler.job.join()
    }

    /** Ends handlers that are late, except the one that asks. */
    fun cancelHandlers(except: Subscription?) {
        for (handler in handlers) if (handler !== except) handler.job.cancel()
    }

    private companion object {
        const val LAST = "phone:closed"

        /**
         * Events that may be on their way while no turn comes. A phone makes about a dozen a call, so this is hours of them; what does
         * not fit is left out and counted, except the last one.
         */
        const val BACKLOG = 65_536

        /** Events delivered in one turn, so that a flood leaves room for others. */
        const val TURN = 256

        /** Calls that have ended and are remembered, so that who has just dialled still finds out why. */
        const val ENDED_CALLS = 64
    }
}
