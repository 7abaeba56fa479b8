/*
 * The parity runner in Kotlin (see ffi-tests/parity/README.md): does what it is told line by line, by the package org.ewebrtc alone.
 *
 * Owns: the phones by name. Threads: lines are read on the main thread, and each command is given there before the next line is
 * read; how it goes on is a coroutine of its own.
 */

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.joinAll
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.intOrNull
import kotlinx.serialization.json.jsonObject
import org.ewebrtc.ArgumentException
import org.ewebrtc.BusyException
import org.ewebrtc.Call
import org.ewebrtc.ClosedException
import org.ewebrtc.EventChannel
import org.ewebrtc.NoAudioException
import org.ewebrtc.NotFoundException
import org.ewebrtc.Phone
import org.ewebrtc.PhoneException
import org.ewebrtc.PhoneSettings
import org.ewebrtc.UnknownMethodException
import org.ewebrtc.devToken
import java.util.HexFormat
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds

private val out = Any()

/** One line, whole, whichever thread it comes from. */
private fun say(line: String) = synchronized(out) {
    println(line)
    System.out.flush()
}

private class Made(val name: String, val gateway: String, settings: PhoneSettings, scope: CoroutineScope) {
    val phone = Phone(gateway, settings)
    private val telling: Job

    init {
        val events = phone.events()
        telling = scope.launch { events.collect { say("event $name ${it.data}") } }
    }

    suspend fun close() {
        phone.closeAndWait(15.seconds)
        telling.join()
    }
}

private val phones = HashMap<String, Made>()

private fun settings(given: Map<String, String>) = PhoneSettings(
    localMedia = given["local"] ?: PhoneSettings().localMedia,
    remoteMedia = given["remote"] ?: PhoneSettings().remoteMedia,
    pcmRate = given["rate"]?.toInt() ?: PhoneSettings().pcmRate,
    eventChannel = if (given["channel"] == "websocket") EventChannel.WEB_SOCKET else EventChannel.LONG_POLL,
)

/** Options that are texts, which is what the typed methods take. */
private class Texts(private val options: JsonObject) {
    private val asked = HashSet<String>()

    operator fun get(name: String): String? {
        asked += name
        return (options[name] as? JsonPrimitive)?.takeIf { it.isString }?.content
    }

    /** Nothing was given that would be lost. */
    fun all(vararg names: String): Boolean {
        asked += names
        return options.all { (name, value) -> name in asked && (value as? JsonPrimitive)?.isString == true }
    }
}

/** The phone's own method of this name, else the method by its name. */
private suspend fun command(phone: Phone, method: String, options: JsonObject) {
    val text = Texts(options)
    val whom = text["destination"] ?: text["participant"]
    when {
        method == "dial" && whom != null && text.all("mediaType", "localMedia", "remoteMedia") ->
            phone.dial(whom, text["mediaType"], text["localMedia"], text["remoteMedia"])
        method == "addCall" && whom != null && text.all("mediaType", "localMedia", "remoteMedia") ->
            phone.addCall(whom, text["mediaType"], text["localMedia"], text["remoteMedia"])
        method == "answer" && text.all("localMedia", "remoteMedia", "mediaType", "action") ->
            phone.answer(text["localMedia"], text["remoteMedia"], text["mediaType"], text["action"])
        method == "startConference" && text.all("mediaType", "localMedia", "remoteMedia") ->
            phone.startConference(text["mediaType"], text["localMedia"], text["remoteMedia"])
        method == "joinConference" && text.all("localMedia", "remoteMedia", "action") ->
            phone.joinConference(text["localMedia"], text["remoteMedia"], text["action"])
        method == "addParticipant" && whom != null && text.all() -> phone.addParticipant(whom)
        method == "removeParticipant" && whom != null && text.all() -> phone.removeParticipant(whom)
        method == "sendDTMFTone" && text["input"] != null -> phone.sendDtmfTone(text["input"]!!, gap(options))
        options.isNotEmpty() -> phone.perform(method, options)
        else -> plain(phone, method)
    }
}

private suspend fun plain(phone: Phone, method: String) {
    when (method) {
        "hold" -> phone.hold()
        "resume" -> phone.resume()
        "switchCall" -> phone.switchCall()
        "transfer" -> phone.transfer()
        "move" -> phone.move()
        "mute" -> phone.mute()
        "unmute" -> phone.unmute()
        "upgrade" -> phone.upgrade()
        "downgrade" -> phone.downgrade()
        "acceptModification" -> phone.acceptModification()
        "rejectModification" -> phone.rejectModification()
        "rejectConference" -> phone.rejectConference()
        "endConference" -> phone.endConference()
        "cancel" -> phone.cancel()
        "reject" -> phone.reject()
        "hangup" -> phone.hangup()
        "logout" -> phone.logout()
        else -> phone.perform(method)
    }
}

private fun gap(options: JsonObject) = (options["gap"] as? JsonPrimitive)?.intOrNull?.milliseconds

private suspend fun commandOn(call: Call, method: String, options: JsonObject) {
    val keys = Texts(options)["input"]
    when {
        method == "sendDTMFTone" && keys != null -> call.sendDtmfTone(keys, gap(options))
        options.isNotEmpty() -> call.phone.perform(method, options, call)
        method == "hangup" -> call.hangup()
        method == "mute" -> call.mute()
        method == "unmute" -> call.unmute()
        else -> call.phone.perform(method, options, call)
    }
}

private suspend fun ask(phone: Phone, method: String, options: JsonObject): JsonElement = when (method) {
    "isCallInProgress" -> JsonPrimitive(phone.isCallInProgress())
    "getMediaType" -> phone.getMediaType()?.let(::JsonPrimitive) ?: JsonNull
    "getVersion" -> JsonPrimitive(phone.getVersion())
    else -> phone.invoke(method, options)
}

/** Cuts `count` words off; the last part is what is left. */
private fun words(text: String, count: Int) = (text.split(" ", limit = count + 1) + List(count + 1) { "" }).take(count + 1)

private fun options(json: String) = if (json.isEmpty()) JsonObject(emptyMap()) else Json.parseToJsonElement(json).jsonObject

/** Does it and gives the answer. */
private suspend fun obey(scope: CoroutineScope, verb: String, rest: String): String {
    val (name, then) = words(rest, 1)
    if (verb == "phone") {
        val parts = then.split(" ").filter { it.isNotEmpty() }
        val given = parts.drop(1).associate { it.substringBefore("=") to it.substringAfter("=") }
        phones[name] = Made(name, parts.first(), settings(given), scope)
        return "ok"
    }
    val made = phones[name] ?: return "fault not-found"
    val phone = made.phone
    val (first, second, third) = words(then, 2)
    when (verb) {
        "login" -> phone.login(devToken(made.gateway, then))
        "do" -> command(phone, first, options("$second $third".trim()))
        "on" -> commandOn(phone.call(first.toLong()), second, options(third))
        "get" -> return "value ${ask(phone, first, options("$second $third".trim()))}"
        "write" -> return "value ${phone.call(first.toLong()).write(HexFormat.of().parseHex(second)) / 2}"
        "read" -> return "value ${HexFormat.of().formatHex(phone.call(first.toLong()).readBytes()).ifEmpty { "-" }}"
        "close" -> made.close()
        else -> return "fault other"
    }
    return "ok"
}

private fun fault(id: String, error: Exception): String = when (error) {
    is PhoneException -> "error ${error.errorCode}"
    is NotFoundException -> "fault not-found"
    is ClosedException -> "fault closed"
    is BusyException -> "fault busy"
    is UnknownMethodException -> "fault unknown-method"
    is ArgumentException -> "fault argument"
    is NoAudioException -> "fault no-audio"
    else -> "fault other".also { System.err.println("runner: $id: ${error.stackTraceToString()}") }
}

fun main() = runBlocking(Dispatchers.Default) {
    val scope = this
    val work = ArrayList<Job>()
    for (line in generateSequence(::readLine)) {
        val (id, verb, rest) = words(line, 2)
        // Given at once, so that commands go in the order of their coming.
        work += launch(start = CoroutineStart.UNDISPATCHED) {
            val answer = try {
                obey(scope, verb, rest)
            } catch (error: Exception) {
                fault(id, error)
            }
            say("$id $answer")
        }
    }
    work.joinAll()
    phones.values.forEach { it.close() }
}
