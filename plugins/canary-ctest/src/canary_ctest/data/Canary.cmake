# Canary.cmake: tests for canary out of CMake.
#
#   include(Canary)
#
#   add_canary_test(NAME name COMMAND word... | SCRIPT file
#                   [NO_DEFAULT_LINK] [LINK file...] [KEYWORDS word...] [DEPENDS_ON job...])
#   add_parallel_canary_test(NAME name COMMAND word... NPROC n...
#                   [NO_DEFAULT_LINK] [LINK file...] [KEYWORDS word...] [DEPENDS_ON job...])
#   add_canary_test_options(ON_OPTION option...)
#   add_canary_test_target()
#   write_canary_config()
#
# The first two write test files (.pyt) into the current binary directory; `canary run` finds them
# there, beside what ctest knows. The first word of COMMAND may be a target, and any word may hold
# generator expressions. With a generator of several configurations, such as Ninja Multi-Config, the
# files are in a directory for each configuration. Needs CMake 3.20.

include_guard(GLOBAL)

set(CANARY_ON_OPTIONS "" CACHE STRING "options (-o) that tests are run with")

# --- writing test files -----------------------------------------------------------------------

# The words from the FIRST on (counted from 1) as Python texts with commas between them.
function(_canary_texts VAR FIRST)
  set(texts "")
  math(EXPR first "${FIRST} + 1")
  math(EXPR last "${ARGC} - 1")
  if(last GREATER_EQUAL first)
    foreach(i RANGE ${first} ${last})
      string(REPLACE "\\" "\\\\" text "${ARGV${i}}")
      string(REPLACE "\"" "\\\"" text "${text}")
      string(REPLACE "\n" "\\n" text "${text}")
      if(i GREATER first)
        string(APPEND texts ", ")
      endif()
      string(APPEND texts "\"${text}\"")
    endforeach()
  endif()
  set(${VAR} "${texts}" PARENT_SCOPE)
endfunction()

# The lines that all test files begin with: what the arguments of the public functions ask for.
# Reads arg_* of its caller.
macro(_canary_head VAR)
  set(${VAR} "# written by Canary.cmake for ${CMAKE_CURRENT_LIST_FILE}: do not edit\n")
  string(APPEND ${VAR} "import sys\n\nimport canary\n\n")
  if(NOT "${arg_KEYWORDS}" STREQUAL "")
    _canary_texts(_canary_words 1 ${arg_KEYWORDS})
    string(APPEND ${VAR} "canary.directives.keywords(${_canary_words})\n")
  endif()
  foreach(_canary_file IN LISTS arg_LINK)
    _canary_texts(_canary_words 1 "${_canary_file}")
    string(APPEND ${VAR} "canary.directives.link(${_canary_words})\n")
  endforeach()
  foreach(_canary_job IN LISTS arg_DEPENDS_ON)
    _canary_texts(_canary_words 1 "${_canary_job}")
    string(APPEND ${VAR} "canary.directives.depends_on(${_canary_words})\n")
  endforeach()
endmacro()

# The program of a command: sets `program` in its caller, and adds it to arg_LINK.
macro(_canary_program)
  list(GET arg_COMMAND 0 program)
  set(_canary_linked "")
  if(TARGET "${program}")
    set(program "$<TARGET_FILE:${program}>")
    set(_canary_linked "${program}")
  elseif(IS_ABSOLUTE "${program}")
    set(_canary_linked "${program}")
  endif()
  if(_canary_linked AND NOT arg_NO_DEFAULT_LINK)
    list(APPEND arg_LINK "${_canary_linked}")
  endif()
endmacro()

function(_canary_write NAME CONTENT)
  get_property(several GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
  set(directory "${CMAKE_CURRENT_BINARY_DIR}")
  if(several)
    string(APPEND directory "/$<CONFIG>")
  endif()
  file(GENERATE OUTPUT "${directory}/${NAME}.pyt" CONTENT "${CONTENT}")
endfunction()

# (What is compared with "" might be a word that is false, such as `off`, or the program `false`.)
function(_canary_check FUNCTION)
  if("${arg_NAME}" STREQUAL "")
    message(FATAL_ERROR "${FUNCTION}: NAME is missing")
  endif()
  if(NOT "${arg_UNPARSED_ARGUMENTS}" STREQUAL "")
    message(FATAL_ERROR "${FUNCTION}(${arg_NAME}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "${FUNCTION}(${arg_NAME}): ${arg_KEYWORDS_MISSING_VALUES} without a value")
  endif()
endfunction()

# --- what projects call -----------------------------------------------------------------------

# A test that runs COMMAND and fails if that fails, or a test file of your own, SCRIPT, in which
# @VARIABLES@ are replaced.
function(add_canary_test)
  cmake_parse_arguments(
    PARSE_ARGV 0 arg "NO_DEFAULT_LINK" "NAME;SCRIPT" "COMMAND;LINK;KEYWORDS;DEPENDS_ON")
  _canary_check(add_canary_test)
  if("${arg_SCRIPT}${arg_COMMAND}" STREQUAL "")
    message(FATAL_ERROR "add_canary_test(${arg_NAME}): give COMMAND or SCRIPT")
  elseif("${arg_COMMAND}" STREQUAL "")
    get_filename_component(stem "${arg_SCRIPT}" NAME_WE)
    configure_file("${arg_SCRIPT}" "${CMAKE_CURRENT_BINARY_DIR}/${stem}.pyt" @ONLY)
    return()
  elseif(NOT "${arg_SCRIPT}" STREQUAL "")
    message(FATAL_ERROR "add_canary_test(${arg_NAME}): give COMMAND or SCRIPT, not both")
  endif()

  _canary_program()
  _canary_head(content)
  _canary_texts(program 1 "${program}")
  _canary_texts(words 2 ${arg_COMMAND})
  string(APPEND content
    "canary.directives.set_attribute(program=${program})\n"
    "\n\n"
    "def test():\n"
    "    program = canary.Executable(${program})\n"
    "    result = program(*[${words}], fail_on_error=False)\n"
    "    if result.returncode != 0:\n"
    "        raise canary.TestFailed(f\"exit code {result.returncode}\")\n"
    "    return 0\n"
    "\n\n"
    "if __name__ == \"__main__\":\n"
    "    sys.exit(test())\n")
  _canary_write("${arg_NAME}" "${content}")
endfunction()

# The same under mpiexec, once for each number of processes. Needs find_package(MPI) before.
function(add_parallel_canary_test)
  cmake_parse_arguments(
    PARSE_ARGV 0 arg "NO_DEFAULT_LINK" "NAME" "COMMAND;NPROC;LINK;KEYWORDS;DEPENDS_ON")
  _canary_check(add_parallel_canary_test)
  if(NOT MPI_FOUND)
    message(FATAL_ERROR
      "add_parallel_canary_test(${arg_NAME}): MPI was not found: find_package(MPI) goes before")
  endif()
  foreach(needed COMMAND NPROC)
    if("${arg_${needed}}" STREQUAL "")
      message(FATAL_ERROR "add_parallel_canary_test(${arg_NAME}): ${needed} is missing")
    endif()
  endforeach()
  foreach(n IN LISTS arg_NPROC)
    if(NOT n MATCHES "^[1-9][0-9]*$")
      message(FATAL_ERROR "add_parallel_canary_test(${arg_NAME}): NPROC ${n} is no number")
    endif()
  endforeach()
  foreach(part EXECUTABLE NUMPROC_FLAG PREFLAGS)
    if(DEFINED MPIEXEC_${part}_OVERRIDE)
      set(launch_${part} ${MPIEXEC_${part}_OVERRIDE})
    else()
      set(launch_${part} ${MPIEXEC_${part}})
    endif()
  endforeach()
  separate_arguments(launch_PREFLAGS)
  separate_arguments(postflags UNIX_COMMAND "${MPIEXEC_POSTFLAGS}")

  _canary_program()
  _canary_head(content)
  string(REPLACE ";" ", " counts "${arg_NPROC}")
  _canary_texts(program 1 "${program}")
  _canary_texts(launcher 1 "${launch_EXECUTABLE}")
  _canary_texts(flag 1 "${launch_NUMPROC_FLAG}")
  _canary_texts(before 1 ${launch_PREFLAGS})
  _canary_texts(after 1 ${postflags})
  _canary_texts(words 2 ${arg_COMMAND})
  string(APPEND content
    "canary.directives.parameterize(\"cpus\", [${counts}])\n"
    "canary.directives.set_attribute(program=${program})\n"
    "\n\n"
    "def test():\n"
    "    cpus = str(canary.get_instance().parameters.cpus)\n"
    "    before = [word.replace(\"%(cpus)s\", cpus) for word in [${before}]]\n"
    "    mpiexec = canary.Executable(${launcher})\n"
    "    result = mpiexec(${flag}, cpus, *before, ${program}, *[${after}], *[${words}], fail_on_error=False)\n"
    "    if result.returncode != 0:\n"
    "        raise canary.TestFailed(f\"exit code {result.returncode}\")\n"
    "    return 0\n"
    "\n\n"
    "if __name__ == \"__main__\":\n"
    "    sys.exit(test())\n")
  _canary_write("${arg_NAME}" "${content}")
endfunction()

# Options (-o) for the target `canary`, and for the configuration that write_canary_config writes.
function(add_canary_test_options)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "ON_OPTION")
  if(NOT "${arg_UNPARSED_ARGUMENTS}" STREQUAL "")
    message(FATAL_ERROR "add_canary_test_options: unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  set(options ${CANARY_ON_OPTIONS} ${arg_ON_OPTION})
  list(REMOVE_DUPLICATES options)
  set(CANARY_ON_OPTIONS "${options}" CACHE STRING "options (-o) that tests are run with" FORCE)
endfunction()

# A target `canary` that runs all tests of the project in its binary directory.
function(add_canary_test_target)
  find_program(CANARY_EXECUTABLE canary DOC "canary")
  set(executable canary)
  if(CANARY_EXECUTABLE)
    set(executable "${CANARY_EXECUTABLE}")
  endif()
  set(options "")
  foreach(option IN LISTS CANARY_ON_OPTIONS)
    list(APPEND options -o "${option}")
  endforeach()
  add_custom_target(canary
    COMMAND "${executable}" run -w ${options} .
    WORKING_DIRECTORY "${PROJECT_BINARY_DIR}"
    COMMENT "Running the tests of ${PROJECT_NAME}"
    USES_TERMINAL VERBATIM)
endfunction()

# `canary.yaml` in the project's binary directory, for `canary -f canary.yaml run ...`: what was
# built, where, and with which compiler.
function(write_canary_config)
  string(TIMESTAMP date "%Y-%m-%dT%H:%M:%SZ" UTC)
  set(vendor "${CMAKE_CXX_COMPILER_ID}")
  set(version "${CMAKE_CXX_COMPILER_VERSION}")
  foreach(language C Fortran)
    if(NOT vendor)
      set(vendor "${CMAKE_${language}_COMPILER_ID}")
      set(version "${CMAKE_${language}_COMPILER_VERSION}")
    endif()
  endforeach()
  string(TOLOWER "${vendor}" vendor)
  set(facts "")
  _canary_fact(facts 2 project "${PROJECT_NAME}")
  _canary_fact(facts 2 type "${CMAKE_BUILD_TYPE}")
  _canary_fact(facts 2 date "${date}")
  _canary_fact(facts 2 build_directory "${PROJECT_BINARY_DIR}")
  _canary_fact(facts 2 source_directory "${PROJECT_SOURCE_DIR}")
  string(APPEND facts "  compiler:\n")
  _canary_fact(facts 4 vendor "${vendor}")
  _canary_fact(facts 4 version "${version}")
  _canary_fact(facts 4 cc "${CMAKE_C_COMPILER}")
  _canary_fact(facts 4 cxx "${CMAKE_CXX_COMPILER}")
  _canary_fact(facts 4 fc "${CMAKE_Fortran_COMPILER}")
  _canary_fact(facts 4 mpicc "${MPI_C_COMPILER}")
  _canary_fact(facts 4 mpicxx "${MPI_CXX_COMPILER}")
  _canary_fact(facts 4 mpifc "${MPI_Fortran_COMPILER}")
  set(options "")
  foreach(option IN LISTS CANARY_ON_OPTIONS)
    _canary_quoted(text "${option}")
    list(APPEND options "${text}")
  endforeach()
  list(JOIN options ", " options)
  file(WRITE "${PROJECT_BINARY_DIR}/canary.yaml"
    "cmake:\n${facts}build:\n${facts}  options: [${options}]\n")
endfunction()

function(_canary_quoted VAR TEXT)
  string(REPLACE "\\" "\\\\" text "${TEXT}")
  string(REPLACE "\"" "\\\"" text "${text}")
  set(${VAR} "\"${text}\"" PARENT_SCOPE)
endfunction()

# Add `KEY: VALUE` to the text in VAR, indented, unless there is no value.
function(_canary_fact VAR INDENT KEY VALUE)
  if(NOT VALUE)
    return()
  endif()
  string(REPEAT " " ${INDENT} spaces)
  _canary_quoted(text "${VALUE}")
  set(${VAR} "${${VAR}}${spaces}${KEY}: ${text}\n" PARENT_SCOPE)
endfunction()
