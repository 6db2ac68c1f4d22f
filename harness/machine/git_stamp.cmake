# Writes OUTPUT with the state of the checkout SOURCE, only when it changed: then one small file is
# compiled again, and nothing else. Run at build time: cmake -DSOURCE=... -DOUTPUT=... -P git_stamp.cmake
find_program(GIT git)
set(sha "")
set(dirty "")
set(diff_hash "")
function(ask result)
  # No locks: a build must not disturb a git command in another window.
  execute_process(COMMAND ${GIT} --no-optional-locks -C ${SOURCE} ${ARGN}
                  OUTPUT_VARIABLE output ERROR_QUIET RESULT_VARIABLE status
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT status EQUAL 0)
    set(output "")
  endif()
  set(${result} "${output}" PARENT_SCOPE)
  set(asked ${status} PARENT_SCOPE)
endfunction()

if(GIT)
  ask(top rev-parse --show-toplevel)
  # A source archive unpacked inside somebody else's checkout has no history of its own.
  file(REAL_PATH "${SOURCE}" here)
  if(asked EQUAL 0 AND top STREQUAL here)
    ask(sha rev-parse --verify HEAD)
    set(paths -- . ":(exclude)results" ":(exclude)plots")
    ask(changes status --porcelain ${paths})
    if(asked EQUAL 0)
      set(dirty false)
      if(changes)
        set(dirty true)
      endif()
    endif()
    if(sha AND dirty)
      ask(difference diff HEAD ${paths})
      if(difference)
        string(SHA256 diff_hash "${difference}")
      endif()
    endif()
  endif()
endif()

set(text "#pragma once\n// Made at build time by git_stamp.cmake.\nnamespace ashlar::machine::git_stamp {\n\n")
string(APPEND text "inline constexpr char kSha[] = \"${sha}\";\n"
                   "inline constexpr char kDirty[] = \"${dirty}\";\n"
                   "inline constexpr char kDiffHash[] = \"${diff_hash}\";\n")
string(APPEND text "\n}  // namespace ashlar::machine::git_stamp\n")
set(before "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" before)
endif()
if(NOT text STREQUAL before)
  file(WRITE "${OUTPUT}" "${text}")
endif()
