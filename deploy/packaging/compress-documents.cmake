# Run by cpack on what it has installed: manual pages and changelogs are compressed, as Debian wants
# them, with no time stamp, so that the same sources make the same package.

file(GLOB_RECURSE files ${CPACK_TEMPORARY_DIRECTORY}/*)
foreach(file ${files})
    if(file MATCHES "/share/(man/man[0-9]/[^/]+\\.[0-9]|doc/[^/]+/changelog\\.Debian)$")
        execute_process(COMMAND gzip -9 -n ${file} COMMAND_ERROR_IS_FATAL ANY)
    endif()
endforeach()
