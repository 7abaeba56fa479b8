/*
 * The programs of README.md and of the guide are run as they stand; run-tests.sh has compiled them.
 */
package org.ewebrtc

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.condition.EnabledIfSystemProperty
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.MethodSource
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.concurrent.TimeUnit

/** `ewebrtc.pages` has the names of the programs, `ewebrtc.listen` the address of the gateway that runs elsewhere. */
@EnabledIfSystemProperty(named = "ewebrtc.pages", matches = ".+")
class PagesTest {
    @ParameterizedTest
    @MethodSource("names")
    fun `a program of the pages`(name: String, @TempDir folder: File) {
        File("examples/speech/hello.wav").copyTo(folder.resolve("examples/speech/hello.wav"))
        val java = File(System.getProperty("java.home"), "bin/java").path
        val options = listOf("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djna.tmpdir=${System.getProperty("jna.tmpdir")}")
        val out = folder.resolve("out")
        val errors = folder.resolve("errors")
        Gateway(System.getProperty("ewebrtc.listen")).use {
            val process = ProcessBuilder(listOf(java) + options + listOf("-cp", System.getProperty("java.class.path"), name))
                .directory(folder).redirectOutput(out).redirectError(errors).start()
            val ended = process.waitFor(60, TimeUnit.SECONDS)
            process.destroyForcibly()
            assertTrue(ended, "it does not end: ${errors.readText()}")
            assertEquals(0, process.exitValue(), errors.readText())
        }
        println("$name: ${out.readLines().lastOrNull()}")
        assertTrue("Exception" !in errors.readText(), errors.readText())
        for (file in folder.listFiles()!!.filter { it.extension == "wav" }) {
            val bytes = ByteBuffer.wrap(file.readBytes()).order(ByteOrder.LITTLE_ENDIAN)
            val samples = (44 until bytes.limit() - 1 step 2).map { bytes.getShort(it) }
            assertTrue(samples.size > 48_000 / 4 && samples.max() > 1_000, file.name)
        }
    }

    companion object {
        /** Their names. */
        @JvmStatic
        fun names() = System.getProperty("ewebrtc.pages").split(",")
    }
}
